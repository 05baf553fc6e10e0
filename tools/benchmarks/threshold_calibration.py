"""Does one score threshold hold for any number of class names? F1 over thresholds, with a plot.

    python tools/benchmarks/threshold_calibration.py --out docs/thresholds.png

The detector of the mini world looks at the annotated stills of the world once; its regions are
then classified into vocabularies of 1, 10, 100 and 1203 names: classes of the world, and beyond
its 64 the names of LVIS, which it has never seen. A detection is right if it overlaps an object of
its class by half; classes about which an image says nothing do not count. Printed is the F1 at the
default threshold ('draw', from which tracks are shown) and at the best one, in points.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import init_default_scope
from torchvision.ops import box_iou

from detpro.models.bbox_head import RegionOutputs
from vovtrack.engine.load import load_model
from vovtrack.files.atomic import atomic_write
from vovtrack.formats.coco import images_of, read_annotations
from vovtrack.registry import DATASETS
from vovtrack.structures import Vocabulary

THRESHOLDS = np.linspace(0, 1, 201)[1:-1]


@dataclass
class Frame:
    """The regions of an image, and what is known of it."""

    rois: torch.Tensor
    outputs: RegionOutputs
    meta: dict
    bboxes: torch.Tensor
    names: list[str]
    absent: set[str]
    vague: set[str]


def describe(model, cfg, annotations: Path, images: Path, limit: int) -> list[Frame]:
    """Run the network over the images once."""
    init_default_scope("mmdet")
    data = DATASETS.build(
        dict(
            type="OpenVocabLVISDataset",
            visible="all",
            ann_file=str(annotations),
            data_prefix=dict(img=str(images)),
            pipeline=[
                dict(type="LoadCheckedImage"),
                dict(type="Resize", scale=tuple(cfg.frame_scale), keep_ratio=True),
                dict(type="PackDetInputs"),
            ],
            test_mode=True,
        )
    )
    content = read_annotations(annotations)
    vocabulary = Vocabulary.load(annotations)
    names = dict(zip(vocabulary.category_ids, vocabulary.names, strict=True))
    records = {r["id"]: r for r in images_of(content, vocabulary, annotations)}
    frames = []
    for item in (data[i] for i in range(min(limit, len(data)))):
        batch = model.data_preprocessor(
            dict(inputs=[item["inputs"]], data_samples=[item["data_samples"]])
        )
        feats, proposals = model.detector.propose(batch["inputs"], batch["data_samples"])
        rois = torch.cat([torch.zeros(len(proposals[0]), 1), proposals[0].bboxes], dim=1)
        record = records[item["data_samples"].img_id]
        found = [i for i in record["instances"] if not i["ignore_flag"]]
        frames.append(
            Frame(
                rois,
                model.detector.roi_head.describe(feats, rois),
                batch["data_samples"][0].metainfo,
                torch.tensor([i["bbox"] for i in found], dtype=torch.float32).reshape(-1, 4),
                [vocabulary.names[i["bbox_label"]] for i in found],
                {names[c] for c in record["neg_category_ids"]},
                {names[c] for c in record["not_exhaustive_category_ids"]},
            )
        )
    return frames


def judge(
    model, frames: Iterable[Frame], names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Probabilities of the detections of ``names``, which are right, and the number of objects."""
    model.set_classes(list(names))
    scores, right, objects = [], [], 0
    for frame in frames:
        judged = model.detector.roi_head.classify(frame.rois, frame.outputs)
        found = model.detector.roi_head.select(judged, frame.meta, True)
        known = [name in names for name in frame.names]
        objects += sum(known)
        free = torch.tensor(known, dtype=bool)
        overlaps = box_iou(found.bboxes, frame.bboxes)
        stated = frame.absent | set(frame.names)
        for row, (label, score) in enumerate(
            zip(found.labels.tolist(), found.scores.tolist(), strict=True)
        ):
            name = names[label]
            fits = free & torch.tensor([n == name for n in frame.names], dtype=bool)
            best = int((overlaps[row] * fits).argmax()) if len(fits) else 0
            hit = bool(len(fits) and fits[best] and overlaps[row, best] >= 0.5)
            if hit:
                free[best] = False
            elif name in frame.vague or (name in WORLD and name not in stated):
                continue
            scores.append(score)
            right.append(hit)
    return np.array(scores), np.array(right, dtype=bool), objects


WORLD: set[str] = set()
"""The names that objects of the world have; any other name is wrong wherever it is given."""


def f1_curve(scores: np.ndarray, right: np.ndarray, objects: int) -> np.ndarray:
    """F1 in points at each threshold."""
    kept = scores[None] > THRESHOLDS[:, None]
    hits = (kept & right[None]).sum(axis=1)
    return 200 * hits / np.maximum(kept.sum(axis=1) + objects, 1)


def vocabularies(world: Sequence[str], present: Sequence[str], seed: int) -> dict[int, list]:
    """Lists of names by their size, several of the small ones."""
    rng = np.random.default_rng(seed)
    others = [name for name in Vocabulary.load("lvis_v1").names if name not in set(world)]
    filled = [*world, *rng.permutation(others).tolist()]
    return {
        1: [[str(name)] for name in rng.permutation(present)[:16]],
        10: [rng.permutation(present)[:10].tolist() for _ in range(8)],
        100: [filled[:100]],
        1203: [filled[:1203]],
    }


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--config", default="mini")
    parser.add_argument("--checkpoint", default="saved_models/mini/ovtrack_mini.safetensors")
    parser.add_argument("--world", type=Path, default=Path("work_dirs/quickstart/world"))
    parser.add_argument("--images", type=int, default=400, help="number of stills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the plot there")
    args = parser.parse_args()
    model, cfg = load_model(args.config, args.checkpoint)
    annotations = args.world / "lvis/annotations/val.json"
    rule = model.detector.roi_head.score_rule
    # Everything that any of the thresholds could keep.
    rule.probabilities = rule.probabilities._replace(detect=float(THRESHOLDS[0]))
    with torch.inference_mode():
        frames = describe(model, cfg, annotations, args.world / "lvis/images", args.images)
        world = Vocabulary.load(annotations).names
        WORLD.update(world)
        present = sorted({name for frame in frames for name in frame.names})
        curves, defaults = {}, {}
        for size, lists in vocabularies(world, present, args.seed).items():
            parts = [judge(model, frames, names) for names in lists]
            curves[size] = f1_curve(
                np.concatenate([p[0] for p in parts]),
                np.concatenate([p[1] for p in parts]),
                sum(p[2] for p in parts),
            )
            defaults[size] = model.detector.roi_head.score_thresholds().draw
    print("| names | default threshold | F1 | best threshold | F1 | lost |")
    print("|---:|---:|---:|---:|---:|---:|")
    for size, curve in curves.items():
        best, default = int(curve.argmax()), float(np.interp(defaults[size], THRESHOLDS, curve))
        print(
            f"| {size} | {defaults[size]:.2f} | {default:.1f} | {THRESHOLDS[best]:.2f} | "
            f"{curve[best]:.1f} | {curve[best] - default:.1f} |"
        )
    if args.out:
        draw(curves, defaults, args.out)


def draw(curves: dict[int, np.ndarray], defaults: dict[int, float], path: Path) -> None:
    """Plot the curves, with a mark at the default of each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for size, curve in curves.items():
        (line,) = axes.plot(THRESHOLDS, curve, label=f"{size} name{'s' * (size > 1)}")
        at = defaults[size]
        axes.plot(at, np.interp(at, THRESHOLDS, curve), "o", color=line.get_color())
    axes.set(xlabel="score threshold", ylabel="F1 (points)", xlim=(0, 1), ylim=(0, None))
    axes.legend(title="dots: the default")
    axes.grid(alpha=0.3)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, dpi=130, format=path.suffix[1:])


if __name__ == "__main__":
    main()
