"""``vovtrack features``: proposals, and what CLIP sees of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

HELP = "propose regions and make their CLIP features"
EXAMPLES = (
    "vovtrack features proposals configs/mini/detector.py A.pth --ann a.json --images I --out "
    "P.safetensors",
    "vovtrack features extract --bank bank --ann a.json --images I --regions P.safetensors",
    "vovtrack features verify --bank bank --ann a.json --images I",
    "vovtrack features import features.zip --bank bank --ann a.json --regions proposals.pkl",
    "vovtrack features proposals configs/lvis/rpn_r101_fpn_base.py R.pth --ann a.json "
    "--images I --out P.safetensors --max-per-image 300",
    "vovtrack features proposals configs/mini/detector.py A.pth --ann a.json --images I --out "
    "P.safetensors --device cuda",
    "vovtrack features extract --bank bank --ann a.json --images I --annotated base",
    "vovtrack features extract --bank bank --ann a.json --images I --annotated all "
    "--precision bfloat16",
    "vovtrack features verify --bank bank --ann a.json --images I --rows-per-shard 100",
    "vovtrack features verify --bank bank --ann a.json --images I --device cuda --seed 1",
    "vovtrack features import features.zip --bank bank --ann a.json --regions R.safetensors",
    "vovtrack features import features.zip --bank bank --ann a.json --regions R.pkl "
    "--images-per-shard 500",
)
INPUTS = {
    "config": "the config",
    "checkpoint": "the checkpoint",
    "ann": "the annotation file",
    "archive": "the archive",
    "regions": "the file of regions",
}
OUTPUTS = ("out",)

_DEVICE = "under torchrun, cuda is the own GPU of each process (default: cpu)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-verbs."""
    verbs = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    proposals = verbs.add_parser("proposals", help="run the RPN of a model over images")
    proposals.add_argument("config", help="config of a model with an RPN")
    proposals.add_argument("checkpoint", type=Path, help="its weights")
    proposals.add_argument("--ann", type=Path, required=True, help="LVIS- or COCO-style file")
    proposals.add_argument("--images", type=Path, required=True, help="folder of its images")
    proposals.add_argument("--out", type=Path, required=True, help="FILE.safetensors to write")
    proposals.add_argument("--max-per-image", type=int, default=1000, metavar="N")
    proposals.add_argument("--batch-size", type=int, default=4, metavar="N")
    proposals.add_argument("--device", default="cpu", help=f"where the model runs; {_DEVICE}")

    extract = verbs.add_parser("extract", help="encode regions with CLIP; run again, it resumes")
    _add_bank_arguments(extract)
    source = extract.add_mutually_exclusive_group(required=True)
    source.add_argument("--regions", type=Path, help="proposals, .safetensors or released .pkl")
    source.add_argument(
        "--annotated",
        choices=("base", "all"),
        help="encode the annotated boxes of base or all classes",
    )
    extract.add_argument(
        "--precision", choices=("float32", "bfloat16", "float16"), default="float32",
        help="of CLIP's image tower (default: float32)",
    )  # fmt: skip
    extract.add_argument("--images-per-shard", type=int, default=1000, metavar="N")
    extract.add_argument("--crops-per-batch", type=int, default=2048, metavar="N")

    verify = verbs.add_parser("verify", help="check hashes, encode random rows again")
    _add_bank_arguments(verify)
    verify.add_argument("--rows-per-shard", type=int, default=20, metavar="N")
    verify.add_argument("--seed", type=int, default=0)

    imported = verbs.add_parser("import", help="turn a released feature zip into a bank")
    imported.add_argument("archive", type=Path, help="zip of one .pth per image")
    _add_bank_arguments(imported, images=False)
    imported.add_argument("--regions", type=Path, required=True, help="its proposals")
    imported.add_argument("--images-per-shard", type=int, default=1000, metavar="N")


def _add_bank_arguments(parser: argparse.ArgumentParser, images: bool = True) -> None:
    parser.add_argument("--bank", type=Path, required=True, help="folder of the bank")
    parser.add_argument("--ann", type=Path, required=True, help="annotation file of the images")
    if images:
        parser.add_argument("--images", type=Path, required=True, help="folder of the images")
    add_clip_arguments(parser)


def add_clip_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which CLIP is meant."""
    parser.add_argument(
        "--clip",
        default="ViT-B-32-quickgelu",
        help="open_clip model, or config file (default: ViT-B-32-quickgelu)",
    )
    parser.add_argument(
        "--clip-weights", default="openai", help="open_clip tag or weight file (default: openai)"
    )
    parser.add_argument("--device", default="cpu", help=f"where CLIP runs; {_DEVICE}")


def build_clip_encoder(args: argparse.Namespace):
    """The CLIP that the arguments name."""
    from vovtrack.engine.processes import own_device
    from vovtrack.models.clip.encoder import ClipEncoder

    return ClipEncoder(
        args.clip,
        args.clip_weights,
        device=own_device(args.device),
        image_dtype=getattr(args, "precision", "float32"),
    )


def run(args: argparse.Namespace) -> int:
    """Do the task."""
    return {"proposals": _proposals, "extract": _extract, "verify": _verify, "import": _import}[
        args.task
    ](args)


def _proposals(args: argparse.Namespace) -> int:
    from detpro.features.proposals import extract_proposals
    from detpro.features.region_set import RegionSet
    from vovtrack.engine.load import load_model
    from vovtrack.engine.processes import gather_shares, own_share

    model, cfg = load_model(args.config, args.checkpoint, args.device)
    rank, count = own_share()
    own = extract_proposals(
        model, args.ann, args.images, tuple(cfg.frame_scale), args.max_per_image, args.batch_size,
        rank=rank, world_size=count, progress=rank == 0,
    )  # fmt: skip
    shares = gather_shares(own)
    if shares is not None:
        found = RegionSet.join(shares)
        found.save(args.out)
        print(f"{args.out}: {len(found.bboxes)} regions of {len(found)} images")
    return 0


def _extract(args: argparse.Namespace) -> int:
    from detpro.features.encoder import RegionEncoder
    from detpro.features.extract import extract_bank
    from detpro.features.region_set import RegionSet
    from vovtrack.engine.processes import own_share
    from vovtrack.formats.coco import image_paths

    if args.annotated:
        regions = RegionSet.from_annotations(args.ann, args.annotated)
    else:
        regions = RegionSet.load(args.regions, args.ann)
    rank, world_size = own_share()
    clip = build_clip_encoder(args)
    clip.load()  # one that cannot be read leaves no bank behind
    count = extract_bank(
        args.bank,
        regions,
        image_paths(args.ann, args.images),
        RegionEncoder(clip),
        images_per_shard=args.images_per_shard,
        crops_per_batch=args.crops_per_batch,
        rank=rank,
        world_size=world_size,
        progress=rank == 0,
    )
    print(f"{args.bank}: {count} of {len(regions.bboxes)} regions encoded by this run")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from detpro.features.encoder import RegionEncoder
    from detpro.features.extract import verify_bank
    from vovtrack.formats.coco import image_paths

    encoder = RegionEncoder(build_clip_encoder(args))
    found = verify_bank(
        args.bank, image_paths(args.ann, args.images), encoder, args.rows_per_shard, args.seed
    )
    print(
        f"{args.bank}: {found['shards']} shards whole; {found['rows']} rows encoded again, cosine "
        f"mean {found['mean_cosine']:.5f}, worst {found['worst_cosine']:.5f}"
    )
    return 0


def _import(args: argparse.Namespace) -> int:
    from detpro.features.archive import MISSING, import_bank
    from detpro.features.region_set import RegionSet

    regions = RegionSet.load(args.regions, args.ann)
    done = import_bank(
        args.archive, args.bank, regions, build_clip_encoder(args), args.images_per_shard, True
    )
    print(f"{args.bank}: {done.rows} rows imported, features of {done.images} images")
    if done.missing:
        print(
            f"{len(done.missing)} images of the proposals have no features in the archive: "
            f"{_some(done.missing)}; all of them in {args.bank / MISSING}"
        )
    if done.unused:
        print(f"{len(done.unused)} files are of images without proposals: {_some(done.unused)}")
    return 0


def _some(things: Sequence[object], count: int = 5) -> str:
    return ", ".join(map(str, things[:count])) + (", ..." if len(things) > count else "")
