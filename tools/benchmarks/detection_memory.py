"""Memory of the metric of detections: a process that tests masks on many stills.

    python tools/benchmarks/detection_memory.py [--images 1000] [--format-only]

Feeds 300 masks of 640x480 per image (LVIS validation has 19,809 images), then evaluates them, or
with --format-only just writes the result file. Prints by how much the resident size grew.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from pathlib import Path

import numpy as np
import torch
from arguments import parse
from tqdm import trange

from vovtrack.evaluation.metrics.lvis_detections import LvisDetectionMetric
from vovtrack.files.atomic import atomic_write

WIDTH, HEIGHT, PER_IMAGE = 640, 480, 300
CLASSES = 1203
SHAPES = 8
"""Different images; the others repeat them."""


def peak_bytes() -> int:
    """Largest resident size of this process so far (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident_bytes() -> int:
    """Resident size of this process now."""
    fields = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) * 1024


def detections(seed: int) -> dict[str, torch.Tensor]:
    """Ellipses anywhere in an image, of any class."""
    random = np.random.default_rng(seed)
    centre = random.uniform((0, 0), (WIDTH, HEIGHT), (PER_IMAGE, 2))[:, :, None, None]
    radius = random.uniform(8, 80, (PER_IMAGE, 2))[:, :, None, None]
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)))
    masks = np.concatenate([
        (((grid - c) / r) ** 2).sum(axis=1) < 1
        for c, r in zip(np.split(centre, 30), np.split(radius, 30), strict=True)
    ])  # fmt: skip
    corners = np.concatenate([centre - radius, centre + radius], axis=1)[:, :, 0, 0]
    return dict(
        bboxes=torch.from_numpy(corners).float(),
        scores=torch.from_numpy(random.uniform(0, 1, PER_IMAGE)).float(),
        labels=torch.from_numpy(random.integers(0, CLASSES, PER_IMAGE)),
        masks=torch.from_numpy(masks),
    )


def annotations(images: int) -> dict:
    """One object in each image; every class is judged everywhere."""
    classes = range(1, CLASSES + 1)
    lists = dict(neg_category_ids=list(classes), not_exhaustive_category_ids=[])
    box = [10, 10, 50, 50]
    return dict(
        images=[dict(id=i, width=WIDTH, height=HEIGHT, **lists) for i in range(1, images + 1)],
        annotations=[
            dict(
                id=i, image_id=i, category_id=1 + i % CLASSES, bbox=box, area=2500, iscrowd=0,
                segmentation=[[10, 10, 60, 10, 60, 60, 10, 60]],
            )
            for i in range(1, images + 1)
        ],
        categories=[dict(id=i, name=f"class {i}", frequency="f") for i in classes],
    )  # fmt: skip


def main() -> None:
    """Feed, evaluate, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--format-only", action="store_true", help="write the file and stop")
    args = parse(parser, images=4)
    samples = [detections(seed) for seed in range(min(SHAPES, args.images))]
    with tempfile.TemporaryDirectory() as folder:
        ann_file = Path(folder) / "ann.json"
        with atomic_write(ann_file) as file:
            json.dump(annotations(args.images), file)
        metric = LvisDetectionMetric(
            str(ann_file), str(ann_file), folder, ("segm",), format_only=args.format_only
        )
        metric.process({}, [])
        before = resident_bytes()
        for i in trange(args.images, desc="images"):
            metric.process({}, [dict(img_id=i + 1, pred_instances=samples[i % len(samples)])])
        fed = resident_bytes()
        metric.evaluate(args.images)
        size = (Path(folder) / "segm.json").stat().st_size
    masks = args.images * PER_IMAGE
    print(
        f"{masks} masks, result file {size / 2**20:.0f} MiB; grown while testing by "
        f"{(fed - before) / 2**20:.0f} MiB, with the end by {(peak_bytes() - before) / 2**20:.0f}"
    )


if __name__ == "__main__":
    main()
