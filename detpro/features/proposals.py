"""Class-agnostic proposals: what the RPN of a model finds in the images of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs, Resize
from mmdet.models.dense_heads import RPNHead
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import BaseModel
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from detpro.features.region_set import RegionSet
from vovtrack.datasets.transforms import LoadCheckedImage
from vovtrack.errors import InputError
from vovtrack.formats.coco import image_paths


class _Images(Dataset):
    def __init__(self, items: list[tuple[int, str]], scale: tuple[int, int]) -> None:
        self.items = items
        keys = ("img_id", "img_shape", "ori_shape", "scale_factor")
        self.pipeline = Compose(
            [LoadCheckedImage(), Resize(scale, keep_ratio=True), PackDetInputs(meta_keys=keys)]
        )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict:
        key, path = self.items[index]
        return self.pipeline(dict(img_id=key, img_path=path))


def extract_proposals(
    model: BaseModel,
    ann_file: str | Path,
    image_root: str | Path,
    scale: tuple[int, int],
    max_per_image: int = 1000,
    batch_size: int = 4,
    workers: int = 2,
    rank: int = 0,
    world_size: int = 1,
    progress: bool = False,
) -> RegionSet:
    """Run the RPN of a detector over all images of an annotation file.

    Args:
        model: A detector with an ``RPNHead``, or a tracker that has one, weights loaded.
        ann_file: LVIS- or COCO-style file; its annotations are not looked at.
        image_root: Folder of its images.
        scale: (long, short) side limits of the network input, pixels.
        max_per_image: Keep this many best.
        batch_size: Images per forward pass.
        workers: Processes that read images.
        rank: This process takes the ``rank``-th of ``world_size`` runs of images, in their order.
        world_size: Processes that share the work.
        progress: Show a bar.

    Returns:
        Boxes in original pixels, clipped to the image, best first.

    Raises:
        InputError: Broken file or image, or a model without RPN.
    """
    detector = getattr(model, "detector", model)
    rpn = next((part for part in detector.children() if isinstance(part, RPNHead)), None)
    if rpn is None:
        raise InputError(f"A {type(model).__name__} has no RPN, so it proposes no regions.")
    paths = list(image_paths(ann_file, image_root).items())
    first, last = (len(paths) * part // world_size for part in (rank, rank + 1))
    data = _Images(paths[first:last], scale)
    loader = DataLoader(
        data, batch_size, num_workers=workers, collate_fn=pseudo_collate, shuffle=False
    )
    found = _propose(detector.eval(), rpn, tqdm(loader, disable=not progress, unit="batch"))
    return RegionSet.collect((key, b[:max_per_image], s[:max_per_image]) for key, b, s in found)


@torch.no_grad()
def _propose(
    model: BaseModel, rpn: RPNHead, batches: tqdm
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    for batch in batches:
        batch = model.data_preprocessor(batch, False)
        samples = batch["data_samples"]
        feats = model.extract_feat(batch["inputs"])
        for sample, result in zip(samples, rpn.predict(feats, samples, rescale=True), strict=True):
            height, width = sample.ori_shape
            limits = result.bboxes.new_tensor([width, height, width, height])
            boxes = torch.minimum(result.bboxes.clamp(min=0), limits)
            yield sample.img_id, boxes.cpu().numpy(), result.scores.cpu().numpy()
