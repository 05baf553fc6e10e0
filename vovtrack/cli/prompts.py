"""``vovtrack prompts``: learn contexts for class names, and use them."""

from __future__ import annotations

import argparse
from pathlib import Path

from vovtrack.cli.features import add_clip_arguments, build_clip_encoder
from vovtrack.cli.track import CLASSES_HELP
from vovtrack.cli.train import add_trust_argument

HELP = "learn prompts for class names, and encode any vocabulary with them"
EXAMPLES = (
    "vovtrack prompts train configs/mini/prompts.py --work-dir work_dirs/prompts",
    "vovtrack prompts encode bin_*.pth --classes lvis_v1 --out lvis.safetensors",
    "vovtrack prompts ensemble one.pth two.pth --out both.pth",
    "vovtrack prompts train configs/mini/prompts.py --work-dir work_dirs/again --seed 1",
    "vovtrack prompts train configs/lvis/prompts.py --work-dir P --cfg-options "
    "train_cfg.max_epochs=3",
    'vovtrack prompts encode bin_5.pth --classes "striped red star, a b" --out two.safetensors',
    "vovtrack prompts encode bin_5.pth --classes coco --position middle --out coco.pth",
    "vovtrack prompts ensemble one.pth two.pth --classes lvis_v1 --out both.safetensors",
    "vovtrack prompts ensemble bin_5.pth bin_6.pth bin_7.pth --out three.pth",
)
INPUTS = {
    "config": "the config",
    "embeddings": "a file to put together",
    "contexts": "a file of contexts",
}
OUTPUTS = ("out",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-verbs."""
    verbs = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    train = verbs.add_parser("train", help="learn a context per IoU bin, then their ensemble")
    train.add_argument("config", help="config of prompt learning (configs/mini/prompts.py)")
    train.add_argument("--work-dir", type=Path, required=True, help="folder of results")
    train.add_argument("--seed", type=int, help="seed of all random generators")
    train.add_argument(
        "--cfg-options", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="change keys of the config",
    )  # fmt: skip
    add_trust_argument(train)

    ensemble = verbs.add_parser("ensemble", help="put files of class embeddings together")
    ensemble.add_argument("embeddings", nargs="+", type=Path, help="files of the same classes")
    ensemble.add_argument("--out", type=Path, required=True, help=".pth or .safetensors to write")
    ensemble.add_argument("--classes", help=f"names to write along: {CLASSES_HELP}")

    encode = verbs.add_parser("encode", help="embed a vocabulary with learned contexts")
    encode.add_argument("contexts", nargs="+", type=Path, help="checkpoints of 'prompts train'")
    encode.add_argument(
        "--classes", required=True,
        help=CLASSES_HELP,
    )  # fmt: skip
    encode.add_argument("--out", type=Path, required=True, help=".pth or .safetensors to write")
    encode.add_argument("--position", default="end", choices=("end", "middle", "front"))
    encode.add_argument(
        "--raw-names", action="store_true", help="keep underscores and parentheses of names"
    )
    add_clip_arguments(encode)


def run(args: argparse.Namespace) -> int:
    """Do the task."""
    return {"train": _train, "ensemble": _ensemble, "encode": _encode}[args.task](args)


def _train(args: argparse.Namespace) -> int:
    from detpro.prompts.training import train_bins

    path = train_bins(
        args.config, args.work_dir, args.seed, cfg_options=args.cfg_options,
        trust_config=args.trust_config,
    )  # fmt: skip
    print(f"{path}: class embeddings of the ensemble")
    return 0


def _ensemble(args: argparse.Namespace) -> int:
    from detpro.prompts.ensemble import ensemble_embeds, load_embeds, save_embeds

    banks = [load_embeds(path) for path in args.embeddings]
    embeds = ensemble_embeds(banks)
    save_embeds(args.out, embeds, _names(args.classes, len(embeds)))
    print(f"{args.out}: {len(embeds)} classes of {len(banks)} files")
    return 0


def _encode(args: argparse.Namespace) -> int:
    from detpro.prompts.ensemble import encode_names, load_context, save_embeds

    names = _names(args.classes)
    contexts = [load_context(path) for path in args.contexts]
    embeds = encode_names(
        contexts, build_clip_encoder(args), names, args.position, clean=not args.raw_names
    )
    save_embeds(args.out, embeds, names)
    print(f"{args.out}: {len(names)} classes")
    return 0


def _names(classes: str | None, count: int = 0) -> list[str]:
    """Names of a vocabulary, or of a comma-separated text; numbers where none are asked for."""
    from vovtrack.errors import InputError
    from vovtrack.structures import Vocabulary

    if classes is None:
        return [str(number) for number in range(count)]
    names = list(Vocabulary.parse(classes).names)
    if count and len(names) != count:
        raise InputError(f"--classes names {len(names)} classes, the files hold {count}.")
    return names
