"""From frames to search areas, and to tensors."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import BaseDataElement
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.images import read_image
from vovtrack.ops.boxes import corners_of
from vovtrack.registry import TRANSFORMS
from vovtrack.sot.datasets.windows import Border, boxes_in_square, cut_square, place_square

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")


class FramesOfTarget(TypedDict):
    """Frames of one part of a sample; labels are added to them.

    Attributes:
        images: (H, W, 3) RGB each.
        boxes: (n, 4) float32 (x, y, w, h) of the target.
    """

    images: list[NDArray]
    boxes: NDArray[np.float32]


@TRANSFORMS.register_module()
class LoadTargetFrames(BaseTransform):
    """Reads the images of ``paths`` of both parts, each file once."""

    def transform(self, results: dict) -> dict:
        """Set ``images`` of the parts."""
        paths = results["paths"]
        read = {path: read_image(path)[..., ::-1] for part in PARTS for path in paths[part]}
        for part in PARTS:
            results[part]["images"] = [read[path] for path in paths[part]]
        return results


@TRANSFORMS.register_module()
class GreyTargets(BaseTransform):
    """Takes the colour from all frames of a sample.

    Args:
        prob: Probability.
    """

    def __init__(self, prob: float = 0.05) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Change all frames, or none."""
        if results["rng"].random() < self.prob:
            for part in PARTS:
                results[part]["images"] = [_grey(image) for image in results[part]["images"]]
        return results


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


@TRANSFORMS.register_module()
class MirrorTargets(BaseTransform):
    """Mirrors all frames of a sample, left for right.

    Args:
        prob: Probability.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Change all frames, or none."""
        if results["rng"].random() < self.prob:
            for part in PARTS:
                frames = results[part]
                pairs = zip(frames["images"], frames["boxes"], strict=True)
                mirrored = [mirror(image, box) for image, box in pairs]
                frames["images"] = [image for image, _ in mirrored]
                frames["boxes"] = np.stack([box for _, box in mirrored])
        return results


def mirror(image: NDArray, box: NDArray[np.float32]) -> tuple[NDArray, NDArray[np.float32]]:
    """An image (H, W, 3) and a box (x, y, w, h), whose x becomes W - 1 - x - w as published."""
    x, y, w, h = box
    return image[:, ::-1], np.array([image.shape[1] - 1 - x - w, y, w, h], np.float32)


@TRANSFORMS.register_module()
class CutSearchAreas(BaseTransform):
    """Cuts the area around the target out of each frame of a part, at first in random places.

    Then each area changes its brightness, and is mirrored, by itself.

    Args:
        part: ``train`` or ``test``.
        output: Side of an area, in pixels.
        area: Side as a multiple of the root of the target's area.
        centre_jitter: How far the target may be from the middle, to both sides of it together, as
            a multiple of the root of its area.
        scale_jitter: Deviation of the logarithms of its width and height.
        border: See :data:`~vovtrack.sot.datasets.windows.Border`.
        max_shrink: The most that ``inside`` and ``inside_major`` divide the side by.
        brightness: Smallest and largest factor.
        mirror: Probability; None draws nothing.
    """

    def __init__(
        self,
        part: Part,
        output: int,
        area: float = 5.0,
        centre_jitter: float = 0.0,
        scale_jitter: float = 0.0,
        border: Border = "replicate",
        max_shrink: float | None = None,
        brightness: tuple[float, float] = (0.8, 1.2),
        mirror: float | None = None,
    ) -> None:
        self.part = part
        self.output, self.area = output, area
        self.centre_jitter, self.scale_jitter = centre_jitter, scale_jitter
        self.border, self.max_shrink = border, max_shrink
        self.brightness = brightness
        self.mirror = mirror

    def transform(self, results: dict) -> dict:
        """Replace ``images`` by float32 areas from 0 to 255, and ``boxes`` by those in them.

        Raises:
            InputError: A target has no area.
        """
        rng, frames = results["rng"], results[self.part]
        centres = [self._jitter(box, rng) for box in frames["boxes"]]
        found = []
        for image, box, centre in zip(frames["images"], frames["boxes"], centres, strict=True):
            try:
                square = place_square(
                    image.shape[:2], centre, self.area, self.output, self.border, self.max_shrink
                )
            except InputError as error:
                raise InputError(f"{results['paths'][self.part]}: {error}") from None
            patch = cut_square(image, square, self.output)
            found.append((patch, boxes_in_square(box, square, self.output)))
        found = [self._change(*pair, rng) for pair in found]
        frames["images"] = [patch for patch, _ in found]
        frames["boxes"] = np.stack([box for _, box in found])
        return results

    def _jitter(self, box: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Another box (4,), by which an area is placed."""
        factor = np.exp(rng.standard_normal(2) * self.scale_jitter)
        size = box[2:] * factor.astype(np.float32)
        reach = np.sqrt(size.prod()) * np.float32(self.centre_jitter)
        offset = reach * (rng.random(2).astype(np.float32) - np.float32(0.5))
        return np.concatenate([box[:2] + box[2:] / 2 + offset - size / 2, size])

    def _change(
        self, patch: NDArray[np.uint8], box: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray, NDArray[np.float32]]:
        factor = np.float32(rng.uniform(*self.brightness))
        changed = np.minimum(patch * factor, np.float32(255))
        if self.mirror is not None and rng.random() < self.mirror:
            return mirror(changed, box)
        return changed, box


@TRANSFORMS.register_module()
class PackTargets(BaseTransform):
    """Packs search areas for a network.

    ``inputs`` are those of both parts, (frames, 3, H, W) RGB float32 from 0 to 255, to learn in
    first. ``data_samples`` has what else the parts hold, ``train_boxes`` and so on; ``gt_boxes``
    (frames, 4), the corners (x1, y1, x2, y2) of the boxes of both; and the meta information
    ``img_path``, the files, and ``img_shape``, (H, W).
    """

    def transform(self, results: dict) -> dict:
        """Make tensors."""
        images = np.stack([image for part in PARTS for image in results[part]["images"]])
        fields: dict[str, Any] = {
            f"{part}_{name}": torch.as_tensor(value)
            for part in PARTS
            for name, value in results[part].items()
            if name != "images"
        }
        boxes = torch.cat([fields[f"{part}_boxes"] for part in PARTS])
        paths = [path for part in PARTS for path in results["paths"][part]]
        sample = BaseDataElement(
            metainfo=dict(img_path=paths, img_shape=images.shape[1:3]),
            gt_boxes=corners_of(boxes),
            **fields,
        )
        inputs = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32))
        return dict(inputs=inputs, data_samples=sample)
