"""Memory and speed of the training data of prompts, on a bank of random features.

python tools/benchmarks/prompt_data.py [--images 1000] [--regions 1000]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from arguments import parse
from torch.utils.data import DataLoader

from detpro.features.bank import BankHeader, image_groups, start_bank, write_shard
from detpro.prompts import RegionEmbeddingDataset
from detpro.prompts.samples import read_samples
from vovtrack.structures import Vocabulary

SIZE = 640
MIB = 1 << 20


def write(folder: Path, args: argparse.Namespace) -> tuple[str, str]:
    """An annotation file of eight objects per image, and a bank of boxes moved off them."""
    generator = np.random.default_rng(0)
    images, annotations, boxes = [], [], {}
    for key in range(1, args.images + 1):
        corner = generator.uniform(0, SIZE / 2, (8, 2))
        objects = np.concatenate([corner, corner + generator.uniform(40, SIZE / 2, (8, 2))], 1)
        images.append(dict(id=key, file_name=f"{key}.jpg", width=SIZE, height=SIZE))
        for box in objects:
            xywh = [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]
            category = int(generator.integers(1, 4))
            number = len(annotations) + 1
            annotations.append(dict(id=number, image_id=key, category_id=category, bbox=xywh))
        moved = objects[generator.integers(0, 8, args.regions)]
        boxes[key] = moved + generator.normal(0, 40, moved.shape)
    categories = [dict(id=n, name=f"class {n}", frequency="f") for n in (1, 2, 3)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (folder / "ann.json").write_text(json.dumps(content))
    groups = image_groups(boxes, 200)
    start_bank(folder / "bank", BankHeader(("c", "w"), "r", (1.0,), args.dims, len(groups)))
    for number, ids in enumerate(groups):
        features = generator.normal(size=(len(ids) * args.regions, args.dims))
        write_shard(folder / "bank", number, ids, [boxes[key] for key in ids], features)
    return str(folder / "ann.json"), str(folder / "bank")


def main() -> None:
    """Print what a bin takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--regions", type=int, default=1000, help="per image")
    parser.add_argument("--dims", type=int, default=512)
    args = parse(parser, images=20, regions=50, dims=16)
    with tempfile.TemporaryDirectory() as folder:
        ann, bank = write(Path(folder), args)
        vocabulary = Vocabulary.load(ann)
        kept = len(read_samples([bank], ann, vocabulary, "base", 0.1).rows)
        tracemalloc.start()
        begin = time.perf_counter()
        data = RegionEmbeddingDataset(ann, [bank], iou_range=(0.5, 0.6))
        build, peak = time.perf_counter() - begin, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        begin = time.perf_counter()
        rows = sum(len(b["labels"]) for b in DataLoader(data, batch_size=512, shuffle=True))
        read = time.perf_counter() - begin
    print(
        f"{kept} of {args.images * args.regions} regions overlap an object, their features are "
        f"{kept * args.dims * 2 / MIB:.0f} MiB; bin of {len(data)} regions: "
        f"{data.rows.nbytes + data.labels.nbytes >> 10} KiB, built with a peak of "
        f"{peak / MIB:.0f} MiB at {args.images / build:.0f} images/s (while memory is traced), "
        f"read in random order at {rows / read:.0f} regions/s"
    )


if __name__ == "__main__":
    main()
