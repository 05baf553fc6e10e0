"""Images made of several: mosaics and mix-ups of one view of a pair with that view of others.

Each transform has a method that draws and one that applies what was drawn. Within mmcv's
``cache_random_params`` the views of a pair share what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import ClassVar, Literal

import mmcv
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.structures.bbox import HorizontalBoxes, autocast_box_type

from ovtrack.datasets.transforms import PER_BOX, source_homography
from vovtrack.errors import one_of
from vovtrack.registry import TRANSFORMS

IDENTITIES = ("instance", "position")
Identity = Literal["instance", "position"]
OVERLAPS = ("shown", "unshifted")


@TRANSFORMS.register_module()
class PairMosaic(BaseTransform):
    """Four images around a centre: one view of a pair and the same view of three other pairs.

    Both views of a pair get the same three others (:class:`MixedPairDataset` draws them). Tiles
    keep their ratio of sides and fill ``img_scale`` at most; what does not fit the image, which is
    twice ``img_scale``, is cut off. Boxes are cut at the border of their tile.

    Args:
        img_scale: (width, height) of a tile.
        center_ratio_range: The centre lies at a place between these, in tiles.
        pad_val: Grey where no tile lies.
        identity: What makes two boxes of the two mosaics the same object. ``instance``: the same
            instance of the same tile. ``position``: the same running number over the boxes of the
            four tiles, as in the released code of OVTrack; it is wrong for all boxes behind one
            that only one of the views has.

    Raises:
        InputError: Unknown ``identity``.
    """

    num_mixed = 3
    _methods_with_randomness: ClassVar[list[str]] = []

    def __init__(
        self,
        img_scale: tuple[int, int],
        center_ratio_range: tuple[float, float] = (0.5, 1.5),
        pad_val: int = 114,
        identity: Identity = "instance",
    ) -> None:
        self.img_scale = img_scale
        self.center_ratio_range = center_ratio_range
        self.pad_val = pad_val
        self.identity = one_of("identity", identity, IDENTITIES)

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Make the mosaic of ``img`` and the three ``mix_results``."""
        return self.combine((results, *results["mix_results"]), self.draw_centre())

    @cache_randomness
    def draw_centre(self) -> tuple[int, int]:
        """Where the corners of the four tiles meet: x and y in pixels of the mosaic."""
        x, y = (int(np.random.uniform(*self.center_ratio_range) * side) for side in self.img_scale)
        return x, y

    def combine(self, tiles: Sequence[dict], centre: tuple[int, int]) -> dict:
        """Put tiles around a centre.

        Args:
            tiles: Four views, of the upper left, upper right, lower left and lower right tile.
            centre: x and y in pixels of the mosaic.
        """
        identify(tiles, self.identity)
        width, height = (2 * side for side in self.img_scale)
        canvas = np.full((height, width, 3), self.pad_val, tiles[0]["img"].dtype)
        boxes, seen, matrices = [], [], []
        for number, tile in enumerate(tiles):
            image, scale = self._fit(tile["img"])
            x = centre[0] - (0 if number % 2 else image.shape[1])
            y = centre[1] - (0 if number // 2 else image.shape[0])
            x1, x2 = max(x, 0), min(x + image.shape[1], width)
            y1, y2 = max(y, 0), min(y + image.shape[0], height)
            canvas[y1:y2, x1:x2] = image[y1 - y : y2 - y, x1 - x : x2 - x]
            moved = box_array(tile) * scale + np.array([x, y, x, y], np.float32)
            seen.append(overlaps(moved, (x1, y1, x2, y2)))
            boxes.append(cut(moved, (x1, y1, x2, y2)))
            matrices.append(scale_and_shift(scale, scale, x, y) @ homographies(tile))
        results = dict(tiles[0], img=canvas, img_shape=canvas.shape[:2])
        results["homography_matrix"] = np.concatenate(matrices)
        join_boxes(results, tiles, boxes, seen)
        return results

    def _fit(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        height, width = image.shape[:2]
        scale = min(self.img_scale[0] / width, self.img_scale[1] / height)
        return mmcv.imresize(image, (int(width * scale), int(height * scale))), scale


@TRANSFORMS.register_module()
class PairMixUp(BaseTransform):
    """Mean of one view of a pair and the same view of another pair (Zhang et al., ICLR 2018).

    The other image is scaled into the size of this one, jittered in scale, flipped, and padded or
    cropped to the size of this one.

    Args:
        ratio_range: Factor of the other image's scale.
        flip_ratio: Probability of its horizontal flip.
        pad_val: Grey where the other image does not reach.
        identity: See :class:`PairMosaic`.
        overlap: Which boxes of the other image stay. ``shown``: those of which the crop shows
            something. ``unshifted``: those that, shifted by the crop, overlap the crop where it
            lay before the shift, as in the released code of QDTrack, which so drops boxes that
            are shown and keeps empty ones that are not.

    Raises:
        InputError: Unknown ``identity`` or ``overlap``.
    """

    num_mixed = 1
    _methods_with_randomness: ClassVar[list[str]] = []

    def __init__(
        self,
        ratio_range: tuple[float, float] = (0.5, 1.5),
        flip_ratio: float = 0.5,
        pad_val: int = 114,
        identity: Identity = "instance",
        overlap: Literal["shown", "unshifted"] = "shown",
    ) -> None:
        self.ratio_range = ratio_range
        self.flip_ratio = flip_ratio
        self.pad_val = pad_val
        self.identity = one_of("identity", identity, IDENTITIES)
        self.overlap = one_of("overlap", overlap, OVERLAPS)

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Blend ``img`` with the one of ``mix_results`` and join their boxes."""
        (other,) = results["mix_results"]
        jitter, places, flip = self.draw()
        size, target = other["img"].shape[:2], results["img"].shape[:2]
        scale = min(t / s for t, s in zip(target, size, strict=True))
        height, width = (int(jitter * int(side * scale + 0.5)) for side in size)
        y, x = (
            int(place * (max(side - t, 0) + 1))
            for place, side, t in zip(places, (height, width), target, strict=True)
        )
        return self.combine(results, other, (height, width), (x, y), flip)

    @cache_randomness
    def draw(self) -> tuple[float, tuple[float, float], bool]:
        """Jitter of the scale, place (y, x) of the crop in [0, 1), and whether to flip."""
        jitter = np.random.uniform(*self.ratio_range)
        y, x, flip = np.random.uniform(size=3)
        return jitter, (y, x), flip < self.flip_ratio

    def combine(
        self,
        results: dict,
        other: dict,
        size: tuple[int, int],
        corner: tuple[int, int],
        flip: bool = False,
    ) -> dict:
        """Blend two views.

        Args:
            results: The view that keeps its size.
            other: The view that is fitted to it.
            size: (height, width) to which the other is scaled.
            corner: (x, y) of the crop in the scaled image.
            flip: Mirror the other image, before the crop.
        """
        identify((results, other), self.identity)
        height, width = results["img"].shape[:2]
        image = mmcv.imresize(other["img"], size[::-1])
        image = image[:, ::-1] if flip else image
        (x, y), canvas = corner, np.full_like(results["img"], self.pad_val)
        shown = image[y : y + height, x : x + width]
        canvas[: shown.shape[0], : shown.shape[1]] = shown
        scale_y, scale_x = (n / o for n, o in zip(size, other["img"].shape[:2], strict=True))
        matrix = scale_and_shift(scale_x, scale_y, 0, 0)
        if flip:
            matrix = scale_and_shift(-1, 1, size[1], 0) @ matrix
        matrix = scale_and_shift(1, 1, -x, -y) @ matrix
        corners = box_array(other).reshape(-1, 2, 2) @ matrix[:2, :2].T + matrix[:2, 2]
        moved = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        window = (0, 0, shown.shape[1], shown.shape[0])
        crop = window if self.overlap == "shown" else (x, y, x + width, y + height)
        own = box_array(results)
        joined = dict(
            results,
            # The mean of two bytes, rounded down.
            img=((results["img"].astype(np.uint16) + canvas) // 2).astype(np.uint8),
            homography_matrix=np.concatenate([homographies(results), matrix @ homographies(other)]),
        )
        kept = [np.ones(len(own), bool), overlaps(moved, crop)]
        join_boxes(joined, (results, other), [own, cut(moved, window)], kept)
        return joined


@TRANSFORMS.register_module()
class MixSteps(BaseTransform):
    """Transforms in a row, each of which mixes as many other images in as its ``num_mixed`` says.

    Args:
        steps: Configs of the transforms by names, by which other configs change one of them; those
            without ``num_mixed`` mix nothing in.
    """

    def __init__(self, steps: Mapping[str, dict]) -> None:
        self.steps = [TRANSFORMS.build(step) for step in steps.values()]
        self.num_mixed = sum(getattr(step, "num_mixed", 0) for step in self.steps)

    def __iter__(self) -> Iterator[BaseTransform]:
        return iter(self.steps)

    def transform(self, results: dict) -> dict:
        """Run the steps on a view and its ``mix_results``, the first others in the first step."""
        others = iter(results["mix_results"])
        for step in self.steps:
            results["mix_results"] = list(islice(others, getattr(step, "num_mixed", 0)))
            results = step(results)
        return results


def identify(parts: Sequence[dict], identity: Identity) -> None:
    """Set ids that are unique over the images of a mixture, and ``gt_sources``.

    Args:
        parts: Images with ``gt_instances_ids`` (n,), the same number in both views; negative for
            boxes that are no objects, which have -1 then.
        identity: See :class:`PairMosaic`. By position, only boxes not to be ignored count.
    """
    start = first = 0
    for place, part in enumerate(parts):
        ids = part["gt_instances_ids"].astype(np.int64)
        if identity == "instance":
            part["gt_instances_ids"] = np.where(ids < 0, -1, ids * len(parts) + place)
        else:
            part["gt_instances_ids"] = start + np.cumsum(~part["gt_ignore_flags"]) - 1
            start += int((~part["gt_ignore_flags"]).sum())
        part["gt_sources"] = first + part.get("gt_sources", np.zeros(len(ids), np.int64))
        first += len(homographies(part))


def renumber(views: Sequence[dict]) -> None:
    """Number the identities of all views of an item from 0, in order of their appearance.

    -1, a box that is no object, stays.
    """
    ids = np.concatenate([view["gt_instances_ids"] for view in views])
    shown = ids >= 0
    _, first, inverse = np.unique(ids[shown], return_index=True, return_inverse=True)
    ids[shown] = first.argsort().argsort()[inverse]
    ends = np.cumsum([len(view["gt_instances_ids"]) for view in views])
    for view, own in zip(views, np.split(ids, ends[:-1]), strict=True):
        view["gt_instances_ids"] = own


def join_boxes(
    results: dict, parts: Sequence[dict], boxes: Sequence[np.ndarray], kept: Sequence[np.ndarray]
) -> None:
    """Set in ``results`` those of the boxes (n, 4) of all parts that are kept, and their data."""
    rows = np.concatenate(kept)
    results["gt_bboxes"] = HorizontalBoxes(torch.from_numpy(np.concatenate(boxes)[rows]))
    for key in (*PER_BOX, "gt_ignore_flags"):
        results[key] = np.concatenate([part[key] for part in parts])[rows]


def box_array(view: dict) -> np.ndarray:
    """Boxes (n, 4) of a view, float32."""
    return np.asarray(view["gt_bboxes"].tensor, np.float32)


def overlaps(boxes: np.ndarray, window: Sequence[float]) -> np.ndarray:
    """Which boxes (n, 4) share an area with a window (x1, y1, x2, y2)."""
    sides = np.minimum(boxes[:, 2:], window[2:]) - np.maximum(boxes[:, :2], window[:2])
    return (sides > 0).all(axis=1)


def cut(boxes: np.ndarray, window: Sequence[float]) -> np.ndarray:
    """Boxes (n, 4), cut at the border of a window (x1, y1, x2, y2)."""
    return np.clip(boxes, (*window[:2], *window[:2]), (*window[2:], *window[2:])).astype(np.float32)


def homographies(view: dict) -> np.ndarray:
    """From each image file of a view to the present image: (M, 3, 3)."""
    return source_homography(view).reshape(-1, 3, 3)


def scale_and_shift(scale_x: float, scale_y: float, x: float, y: float) -> np.ndarray:
    """The homography that scales and then shifts."""
    return np.array([[scale_x, 0, x], [0, scale_y, y], [0, 0, 1]], np.float32)
