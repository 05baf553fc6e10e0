"""What CLIP's image tower says about regions: the teacher of distillation and of prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from detpro.features.crops import crop_regions, enlarge_boxes, integer_boxes
from vovtrack.models.clip.encoder import ClipEncoder


class RegionEncoder:
    """Unit CLIP embeddings of regions, each seen in its box and in larger ones.

    The raw embeddings of all crops of a region are summed, then normalised (ViLD, Gu et al.,
    ICLR 2022, section 3.3, as DetPro computes it).

    Args:
        clip: The CLIP whose image tower encodes.
        scales: Factors by which the box grows, one crop each.
    """

    def __init__(self, clip: ClipEncoder, scales: Sequence[float] = (1.0, 1.5)) -> None:
        self.clip = clip
        self.scales = tuple(scales)

    def crops(self, image: Tensor, bboxes: Tensor) -> Tensor:
        """Cut regions out of an image.

        Args:
            image: (3, H, W) uint8 RGB.
            bboxes: (N, 4) float boxes in its pixels, not clipped.

        Returns:
            (len(scales) * N, 3, side, side) uint8 on its device, one scale after the other.
        """
        boxes = [bboxes if s == 1 else enlarge_boxes(bboxes.float(), s) for s in self.scales]
        view = self.clip.preprocess
        return crop_regions(
            image, integer_boxes(torch.cat(boxes)), view.side, view.resize_mode, view.interpolation
        )

    def encode_images(
        self, images: Sequence[Tensor], bboxes: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Encode regions of several images in common batches.

        Args:
            images: (3, H, W) uint8 RGB each.
            bboxes: (n_i, 4) boxes in pixels of each image.

        Returns:
            (n_i, D) float32 unit rows per image, on the device of CLIP.
        """
        scales, counts = len(self.scales), [len(boxes) for boxes in bboxes]
        crops = [
            self.crops(image.to(self.clip.device, non_blocking=True), boxes).unflatten(
                0, (scales, len(boxes))
            )
            for image, boxes in zip(images, bboxes, strict=True)
        ]
        embeds = self.clip.encode_image(torch.cat(crops, dim=1).flatten(0, 1), normalize=False)
        summed = embeds.unflatten(0, (scales, sum(counts))).sum(dim=0)
        return F.normalize(summed, dim=1).split(counts)
