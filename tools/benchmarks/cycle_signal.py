"""What does cycle consistency learn from? Its loss, divided among kinds of objects.

    python tools/benchmarks/cycle_signal.py CHECKPOINT [--ann-file tao/annotations/shifted.json]

Looks at annotated videos with the detector and the embedding head of a checkpoint, as stage 4
looks at clips, and asks the annotation which detections show the same object. Every walk from a
frame to another and back belongs to an object of the first frame: one that was found in the other
frame too, one that was not, or a false detection. Only the first kind can teach who is who. And of
it, only those that the tracker would have linked wrongly: whose nearest neighbour in the other
frame is somebody else.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from torchvision.ops import box_iou

from vovtrack.engine.load import load_model
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.registry import DATASETS

FALSE = -1
"""Identity of a detection that shows nothing annotated."""
BOTH = "found in both, nearest is"


def found_objects(model, cfg, ann_file: Path, frames: Path) -> dict[int, list]:
    """Embeddings (n, D) and identities (n,) of the objects of each frame, by video."""
    init_default_scope("mmdet")
    data = DATASETS.build(
        dict(
            type="TaoVideoDataset",
            ann_file=str(ann_file),
            data_prefix=dict(img=str(frames)),
            pipeline=cfg.test_pipeline,
            test_mode=True,
        )
    )
    truth = defaultdict(list)
    for row in read_annotations(ann_file)["annotations"]:
        truth[row["image_id"]].append((row["track_id"], row["bbox"]))
    videos = defaultdict(list)
    for item in map(data.__getitem__, range(len(data))):
        batch = model.data_preprocessor(
            dict(inputs=[item["inputs"]], data_samples=[item["data_samples"]])
        )
        sample = batch["data_samples"][0]
        feats, proposals = model.detector.propose(batch["inputs"], [sample])
        (found,) = model.select(model.detector.detect(feats, proposals, [sample.metainfo]))
        rois = torch.cat([torch.zeros(len(found), 1), found.bboxes], dim=1)
        known = truth[sample.img_id]
        boxes = torch.tensor([box for _, box in known], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        boxes *= torch.tensor(sample.scale_factor).repeat(2)
        ids = torch.tensor([track for track, _ in known])
        videos[sample.video_id].append((model.embed(feats, rois), identify(found, boxes, ids)))
    return videos


def identify(found, boxes: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Track id of each detection: of the object that it overlaps most, by half at least."""
    if len(boxes) == 0 or len(found) == 0:
        return torch.full((len(found),), FALSE)
    overlap, best = box_iou(found.bboxes, boxes).max(dim=1)
    return torch.where(overlap >= 0.5, ids[best], FALSE)


def walk_costs(similarity: torch.Tensor, margin: float, sharpness: float) -> torch.Tensor:
    """Cost of the walk of each object of the first frame: (p, q) cosines to (p,)."""
    p, q = similarity.shape
    scale = [sharpness * torch.tensor(float(n)).log() for n in (q, p)]
    there, back = (similarity * scale[0]).softmax(1), (similarity.T * scale[1]).softmax(1)
    returns = there @ back
    own, others = returns.diagonal(), returns * (1 - torch.eye(p))
    hinges = [(others.max(dim=d).values + margin - own).relu() for d in (0, 1)]
    return sum(hinges) / (2 * p)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--config", default="configs/mini/ovtrack_self_supervised.py")
    parser.add_argument(
        "--worlds", type=Path, nargs="+", default=[Path("work_dirs/quickstart/world")]
    )
    parser.add_argument("--ann-file", default="tao/annotations/shifted.json")
    args = parser.parse_args()
    model, cfg = load_model(args.config, args.checkpoint)
    loss = model.cycle_loss
    videos = []
    with torch.inference_mode():
        for world in args.worlds:
            found = found_objects(model, cfg, world / args.ann_file, world / "tao/frames")
            videos += found.values()
    walks, costs = defaultdict(int), defaultdict(float)
    for frames in videos:
        for first, second in combinations(frames, 2):
            (start, own), (end, theirs) = sorted((first, second), key=lambda f: len(f[0]))
            if len(start) == 0:
                continue
            similarity = F.normalize(start, dim=1) @ F.normalize(end, dim=1).T
            nearest = theirs[similarity.argmax(dim=1)]
            cost = walk_costs(similarity, loss.margin, 1 / loss.eps)
            for identity, neighbour, value in zip(own, nearest, cost, strict=True):
                kind = "false detection"
                if identity != FALSE:
                    kind = "found in one frame only"
                    if (theirs == identity).any():
                        kind = f"{BOTH} {'itself' if neighbour == identity else 'another'}"
                walks[kind] += 1
                costs[kind] += float(value)
    total_walks, total_cost = sum(walks.values()), sum(costs.values())
    print("| object | share of walks | share of loss |\n|---|---:|---:|")
    for kind in sorted(walks):
        print(
            f"| {kind} | {100 * walks[kind] / total_walks:.1f} % | "
            f"{100 * costs[kind] / total_cost:.1f} % |"
        )
    right, wrong = (walks[f"{BOTH} {who}"] for who in ("itself", "another"))
    print(
        f"\nnearest is itself: {100 * right / (right + wrong):.1f} % of those found in both frames"
    )


if __name__ == "__main__":
    main()
