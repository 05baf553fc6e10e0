"""Transforms of one view of a pair: mmdet's own, whose boxes keep their identities.

mmdet's transforms of several images move and drop boxes with their labels, but know no instance
ids, and they do not record where a pixel went. Here both follow:

* ``gt_instances_ids`` stays beside ``gt_bboxes``;
* ``homography_matrix`` maps the homogeneous pixel (x, y, 1) of the image file to the present
  image, as mmdet's ``Resize`` and ``RandomFlip`` record it too: (3, 3), or after a mixture
  (M, 3, 3), one per image that was mixed in. ``gt_sources`` (n,) then says for each box from
  which of the M images it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import (
    FilterAnnotations,
    Mosaic,
    PackDetInputs,
    RandomAffine,
    RandomCrop,
)
from mmdet.structures.bbox import autocast_box_type

from vovtrack.errors import one_of
from vovtrack.registry import TRANSFORMS

_PER_BOX = ("gt_bboxes_labels", "gt_instances_ids", "gt_sources")
IDENTITIES = ("instance", "position")
Identity = Literal["instance", "position"]


def _with_followers(
    transform: Callable[[dict], dict | None], results: dict, mixed: tuple[dict, ...] = ()
) -> dict | None:
    """Run a transform that knows labels only; ids and sources go where the labels go.

    While it runs, labels are row numbers over the boxes of the image and of those mixed in.
    """
    parts = [results, *mixed]
    columns = {
        key: np.concatenate([part[key] for part in parts])
        for key in _PER_BOX
        if all(key in part for part in parts)
    }
    start = 0
    for part in parts:
        stop = start + len(part["gt_bboxes_labels"])
        part["gt_bboxes_labels"] = np.arange(start, stop)
        start = stop
    found = transform(results)
    if found is None:
        return None
    rows = found["gt_bboxes_labels"]
    found.update({key: column[rows] for key, column in columns.items()})
    return found


def record_homography(results: dict, matrix: np.ndarray) -> None:
    """Append a step, (3, 3) or one per source (M, 3, 3), to ``homography_matrix``."""
    before = results.get("homography_matrix")
    results["homography_matrix"] = matrix if before is None else matrix @ before


@TRANSFORMS.register_module()
class TrackRandomAffine(RandomAffine):
    """mmdet's ``RandomAffine`` with identities and homography; images without boxes pass too.

    Translation, shear, rotation and scale act about the top-left corner, in that order from left
    to right. Boxes become the hull of their corners, cut at the border; those wholly outside are
    dropped.
    """

    def transform(self, results: dict) -> dict:
        """Warp image and boxes, see mmdet."""
        if "gt_bboxes" in results:
            moved = _with_followers(super().transform, results)
            assert moved is not None, "mmdet's RandomAffine gives no image up"
        else:
            moved = super().transform(dict(results, gt_bboxes=np.zeros((0, 4), np.float32)))
            del moved["gt_bboxes"]
        record_homography(moved, self._matrix)
        return moved

    def _get_random_homography_matrix(self, height: int, width: int) -> np.ndarray:
        self._matrix = super()._get_random_homography_matrix(height, width)
        return self._matrix


@TRANSFORMS.register_module()
class TrackRandomCrop(RandomCrop):
    """mmdet's ``RandomCrop`` with identities; images without boxes pass too.

    Boxes are cut at the border of the crop, those wholly outside are dropped. A view that keeps no
    box is given up (None), so that its pair is drawn again, unless ``allow_negative_crop`` is set.
    """

    def transform(self, results: dict) -> dict | None:
        """Crop image and boxes, see mmdet, which records the homography."""
        if "gt_bboxes" in results:
            return _with_followers(super().transform, results)
        return super().transform(results)


@TRANSFORMS.register_module()
class PairFilterAnnotations(FilterAnnotations):
    """mmdet's ``FilterAnnotations`` with identities: keeps boxes wider and higher than a size.

    A view that keeps no box is given up (None), so that its pair is drawn again. The released
    code meant to and let such views pass with all their boxes of no area.
    """

    def transform(self, results: dict) -> dict | None:
        """Drop small boxes, see mmdet."""
        return _with_followers(super().transform, results)


@TRANSFORMS.register_module()
class PairMosaic(Mosaic):
    """mmdet's ``Mosaic`` of one view of a pair and the same view of three other pairs.

    Both views of a pair get the same three others (:class:`MixedPairDataset` draws them), each
    view its own centre. The image is twice ``img_scale``.

    Args:
        identity: What makes two boxes of the two mosaics the same object. ``instance``: the same
            instance of the same tile. ``position``: the same running number over the boxes of the
            four tiles, as in the released code; it is wrong for all boxes behind one that only
            one of the views has.
        **kwargs: Of mmdet's ``Mosaic``; ``img_scale`` is (width, height) of a tile.

    Raises:
        InputError: Unknown ``identity``.
    """

    num_mixed = 3

    def __init__(self, identity: Identity = "instance", **kwargs) -> None:
        super().__init__(**kwargs)
        self.identity = one_of("identity", identity, IDENTITIES)

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Make the mosaic of ``img`` and the three ``mix_results``, see mmdet."""
        tiles = (results, *results["mix_results"])
        matrices = [source_homography(tile) for tile in tiles]
        scales = [self._scale(tile) for tile in tiles]
        identify(tiles, self.identity)
        self._pasted: list[tuple] = []
        mosaic = _with_followers(super().transform, results, tiles[1:])
        assert mosaic is not None, "mmdet's Mosaic gives no image up"
        steps = [
            _scale_and_shift(scale, paste[0] - crop[0], paste[1] - crop[1])
            for scale, (paste, crop) in zip(scales, self._pasted, strict=True)
        ]
        mosaic["homography_matrix"] = np.stack(steps) @ np.stack(matrices)
        return mosaic

    def _scale(self, tile: dict) -> float:
        height, width = tile["img"].shape[:2]
        return min(self.img_scale[1] / height, self.img_scale[0] / width)

    def _mosaic_combine(self, *args) -> tuple:
        self._pasted.append(super()._mosaic_combine(*args))
        return self._pasted[-1]


@TRANSFORMS.register_module()
class PairMixUp(BaseTransform):
    """Mean of one view of a pair and the same view of another pair (Zhang et al., ICLR 2018).

    The other image is scaled into the size of this one, jittered in scale, flipped and cropped as
    mmdet's ``MixUp`` does, but in one warp, whose homography is recorded.

    Args:
        ratio_range: Factor of the other image's scale.
        flip_ratio: Probability of its horizontal flip.
        pad_val: Grey where the other image does not reach.
        identity: See :class:`PairMosaic`.

    Raises:
        InputError: Unknown ``identity``.
    """

    num_mixed = 1

    def __init__(
        self,
        ratio_range: tuple[float, float] = (0.5, 1.5),
        flip_ratio: float = 0.5,
        pad_val: int = 114,
        identity: Identity = "instance",
    ) -> None:
        self.ratio_range = ratio_range
        self.flip_ratio = flip_ratio
        self.pad_val = pad_val
        self.identity = one_of("identity", identity, IDENTITIES)

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Blend ``img`` with the one of ``mix_results`` and join their boxes."""
        (other,) = results["mix_results"]
        height, width = results["img"].shape[:2]
        matrix = self._draw_homography(other["img"].shape[:2], (height, width))
        identify((results, other), self.identity)
        warped = cv2.warpPerspective(
            other["img"], matrix, (width, height), borderValue=(self.pad_val,) * 3
        )
        results["img"] = cv2.addWeighted(results["img"], 0.5, warped, 0.5, 0)
        results["homography_matrix"] = np.stack(
            [source_homography(results), matrix @ source_homography(other)]
        )
        boxes = other["gt_bboxes"].clone()
        boxes.project_(matrix)
        results["gt_bboxes"] = boxes.cat([results["gt_bboxes"], boxes])
        for key in (*_PER_BOX, "gt_ignore_flags"):
            results[key] = np.concatenate([results[key], other[key]])
        results["gt_bboxes"].clip_((height, width))
        inside = results["gt_bboxes"].is_inside((height, width)).numpy()
        for key in ("gt_bboxes", "gt_ignore_flags", *_PER_BOX):
            results[key] = results[key][inside]
        return results

    def _draw_homography(self, size: tuple[int, int], target: tuple[int, int]) -> np.ndarray:
        """From the other image, ``size`` (h, w), into an image of ``target`` (h, w)."""
        scale = min(target[0] / size[0], target[1] / size[1])
        scale *= np.random.uniform(*self.ratio_range)
        height, width = size[0] * scale, size[1] * scale
        x = np.random.uniform(0, max(width - target[1], 0))
        y = np.random.uniform(0, max(height - target[0], 0))
        matrix = _scale_and_shift(scale, 0, 0)
        if np.random.uniform() < self.flip_ratio:
            matrix = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]]) @ matrix
        return (_scale_and_shift(1, -x, -y) @ matrix).astype(np.float32)


@TRANSFORMS.register_module()
class PackIdentityInputs(PackDetInputs):
    """mmdet's ``PackDetInputs`` that also packs identities, sources and the homography.

    Args:
        meta_keys: Keys for the meta information of the sample; by default mmdet's and
            ``homography_matrix``.
    """

    mapping_table = dict(
        PackDetInputs.mapping_table, gt_instances_ids="instances_ids", gt_sources="sources"
    )

    def __init__(self, meta_keys: tuple[str, ...] | None = None) -> None:
        default = "img_id img_path ori_shape img_shape scale_factor flip flip_direction"
        super().__init__(meta_keys or (*default.split(), "homography_matrix"))


def identify(parts: tuple[dict, ...], identity: Identity) -> None:
    """Set ids that are unique over the images of a mixture, and ``gt_sources``.

    Args:
        parts: Images with ``gt_instances_ids`` (n,), >= 0; the same number in both views.
        identity: See :class:`PairMosaic`. By position, only boxes not to be ignored count.
    """
    start = 0
    for source, part in enumerate(parts):
        ids = part["gt_instances_ids"].astype(np.int64)
        if identity == "instance":
            part["gt_instances_ids"] = ids * len(parts) + source
        else:
            part["gt_instances_ids"] = start + np.cumsum(~part["gt_ignore_flags"]) - 1
            start += int((~part["gt_ignore_flags"]).sum())
        part["gt_sources"] = np.full(len(ids), source)


def source_homography(results: dict) -> np.ndarray:
    """From the image file to the present image (3, 3); the identity if nothing moved yet."""
    return results.get("homography_matrix", np.eye(3, dtype=np.float32))


def _scale_and_shift(scale: float, x: float, y: float) -> np.ndarray:
    return np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]], np.float32)
