"""Can learned prompts pay here? How often class texts name the annotated regions rightly.

Example, after ``python -m tools.benchmarks.claims --out work_dirs/claims``:
    python -m tools.benchmarks.claims.naming --out work_dirs/claims --world WORLD

The CLIP features of the annotated objects of the validation stills, which the rows with learned
prompts have left behind, meet the texts of all classes: those of the template, and those that every
seed has learned. Where both name alike, the detector cannot gain by its texts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from torch import Tensor

from tools.benchmarks.claims.rows import PROMPTS, STAGE1
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.registry import DATASETS, MODELS
from vovtrack.structures import Vocabulary


def main() -> int:
    """Name all regions by every bank, and print a table."""
    args = _arguments()
    init_default_scope("mmdet")
    features, labels, vocabulary = regions(args.out, args.world)
    novel = torch.tensor(vocabulary.novel)[labels]
    print(f"| texts, {len(labels)} regions | base | novel |\n|---|---:|---:|")
    for title, texts in banks(args.out, vocabulary):
        right = (features @ texts.T).argmax(dim=1) == labels
        base, rare = (100 * right[rows].float().mean().item() for rows in (~novel, novel))
        print(f"| {title} | {base:.1f} | {rare:.1f} |")
    return 0


def regions(out: Path, world: Path) -> tuple[Tensor, Tensor, Vocabulary]:
    """Unit features (N, D) of the annotated objects, their labels (N,), and the classes.

    Raises:
        InputError: The claims have not been measured in that folder.
    """
    found = sorted(out.glob("regions-*/bank_val_gt"))
    if not found:
        raise InputError(
            f"'{out}' has no regions-*/bank_val_gt: measure the row 'prompts' of the claims first."
        )
    cfg = load_config(PROMPTS).val_dataloader.dataset
    cfg.update(
        ann_file=str(world / "lvis/annotations/val.json"),
        banks=[str(found[-1])],
        negative_share=0.0,
    )
    dataset = DATASETS.build(cfg)
    rows = [dataset[row] for row in range(len(dataset))]
    features = torch.stack([torch.as_tensor(row["inputs"]) for row in rows]).float()
    labels = torch.tensor([int(row["labels"]) for row in rows])
    named = labels >= 0
    return F.normalize(features[named], dim=1), labels[named], Vocabulary.load(cfg.vocabulary)


def banks(out: Path, vocabulary: Vocabulary) -> Iterator[tuple[str, Tensor]]:
    """Unit texts (K, D) of all classes: of the template, and as every seed learned them."""
    head = load_config(STAGE1).model.roi_head.classifier
    learned = sorted(out.glob("seed*/prompts-*/iou_neg5_ens.safetensors"))
    files = {"template": None} | {f"learned, {path.parts[-3]}": str(path) for path in learned}
    for title, file in files.items():
        classifier = MODELS.build(head | {"text_bank": file})
        classifier.set_vocabulary(vocabulary)
        yield title, classifier.class_embeds()[: len(vocabulary)].detach()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks.claims.naming", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the claims")
    parser.add_argument("--world", type=Path, required=True, help="that they were measured in")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
