"""Regions with teacher embeddings in the samples of detector training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import PackDetInputs
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from detpro.features.bank import RegionFeatureBank
from detpro.features.region_set import RegionSet
from vovtrack.errors import InputError, one_of
from vovtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadRegionFeatures(BaseTransform):
    """Draws regions of an image from a feature bank, before any geometric transform.

    Adds ``regions`` (n, 4), pixels of the original image, and ``region_embeds`` (n, D). A random
    part of the regions of each image gives an unbiased distillation loss for a fraction of the
    reading.

    Args:
        bank: Folder of the bank.
        max_regions: Regions drawn per image; None takes all.
        on_missing: What an image without features means: ``error``; ``skip``, which trains it
            without regions; or ``online``, which takes them from ``proposals`` and leaves the
            encoding to the model.
        proposals: Regions of images that the bank lacks, for ``online``; otherwise the regions that
            the bank must have been made of.
        load_feature: Read the bank; without it the model encodes the regions of all images.
    """

    def __init__(
        self,
        bank: str | None = None,
        max_regions: int | None = 300,
        on_missing: Literal["error", "skip", "online"] = "error",
        proposals: str | None = None,
        load_feature: bool = True,
    ) -> None:
        one_of("on_missing", on_missing, ("error", "skip", "online"))
        if load_feature and bank is None:
            raise InputError(
                "LoadRegionFeatures has no bank: make one with 'vovtrack features extract', or "
                "set load_feature=False and proposals."
            )
        if proposals is None and (on_missing == "online" or not load_feature):
            raise InputError(
                "LoadRegionFeatures needs 'proposals', the regions that are encoded online."
            )
        self.bank = RegionFeatureBank(bank) if load_feature and bank is not None else None
        self.max_regions = max_regions
        self.on_missing = on_missing
        self.proposals = None if proposals is None else RegionSet.load(proposals)
        if self.bank is not None and self.proposals is not None and on_missing != "online":
            self.bank.check(regions=self.proposals.fingerprint)

    def check_images(self, image_ids: Sequence[int]) -> int:
        """Count the images of a dataset that the bank lacks, before anything is trained.

        Raises:
            InputError: There are some and ``on_missing`` is ``error``.
        """
        if self.bank is None:
            return len(image_ids)
        missing = [key for key in image_ids if key not in self.bank]
        if missing and self.on_missing == "error":
            raise InputError(
                f"The feature bank '{self.bank.folder}' lacks {len(missing)} of {len(image_ids)} "
                f"images, the first {missing[0]}: extract it for this annotation file, or set "
                "on_missing='skip' or 'online'."
            )
        return len(missing)

    def transform(self, results: dict) -> dict:
        """Add the regions of the image ``img_id``.

        Raises:
            InputError: The bank lacks the image and ``on_missing`` is ``error``.
        """
        key = results["img_id"]
        if self.bank is not None and (key in self.bank or self.on_missing == "error"):
            boxes, embeds = self.bank.of(key)
        elif self.bank is not None and self.on_missing == "skip":
            boxes, embeds = np.zeros((0, 4), np.float32), np.zeros((0, self.bank.header.embed_dims))
        else:
            assert self.proposals is not None, "asked for at the beginning"
            boxes, embeds = self.proposals.of(key)[0], None
        if self.max_regions is not None and len(boxes) > self.max_regions:
            rows = np.random.choice(len(boxes), self.max_regions, replace=False)
            boxes, embeds = boxes[rows], None if embeds is None else embeds[rows]
        results["regions"] = boxes
        results["region_embeds"] = embeds
        return results


@TRANSFORMS.register_module()
class PackRegionInputs(PackDetInputs):
    """mmdet's ``PackDetInputs`` that also packs ``regions``.

    Regions go where the transforms of the pipeline took the image, by the homography that mmdet's
    transforms record, and are clipped to it; rows keep their order, hence their embeddings.
    """

    def transform(self, results: dict) -> dict:
        """Pack; see mmdet for the other keys."""
        boxes = HorizontalBoxes(results.pop("regions"), dtype=torch.float32)
        embeds = results.pop("region_embeds")
        if "homography_matrix" in results:
            boxes.project_(results["homography_matrix"])
        boxes.clip_(results["img_shape"])
        packed = super().transform(results)
        regions = InstanceData(bboxes=boxes.tensor.float())
        if embeds is not None:
            regions.embeds = torch.from_numpy(embeds.astype(np.float32))
        packed["data_samples"].regions = regions
        return packed
