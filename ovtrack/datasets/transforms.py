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

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import (
    FilterAnnotations,
    PackDetInputs,
    RandomAffine,
    RandomCrop,
)
from mmdet.structures.bbox import autocast_box_type

from vovtrack.registry import TRANSFORMS

PER_BOX = ("gt_bboxes_labels", "gt_instances_ids", "gt_sources")
"""What a view may say of each of its ``gt_bboxes``, beside ``gt_ignore_flags``."""


def _with_followers(transform: Callable[[dict], dict | None], results: dict) -> dict | None:
    """Run a transform that knows labels only; ids and sources go where the labels go.

    While it runs, labels are row numbers.
    """
    columns = {key: results[key] for key in PER_BOX if key in results}
    results["gt_bboxes_labels"] = np.arange(len(results["gt_bboxes_labels"]))
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

    def draw_matrix(self, height: int, width: int) -> np.ndarray:
        """The homography (3, 3) into an image of a size."""
        return super()._get_random_homography_matrix(height, width)

    def _get_random_homography_matrix(self, height: int, width: int) -> np.ndarray:
        self._matrix = self.draw_matrix(height, width)
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
class TrackClipBoxes(BaseTransform):
    """Cuts boxes at the border of the image and drops those of which too little is left.

    Args:
        min_area: Pixels that a box must have inside of the image to stay.
    """

    def __init__(self, min_area: float = 1.0) -> None:
        self.min_area = min_area

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Cut and drop boxes, with what belongs to them; a view may be left without any."""
        boxes = results["gt_bboxes"]
        boxes.clip_(results["img"].shape[:2])
        kept = (boxes.areas >= self.min_area).numpy()
        results["gt_bboxes"] = boxes[kept]
        for key in (*PER_BOX, "gt_ignore_flags"):
            if key in results:
                results[key] = results[key][kept]
        return results


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


def source_homography(results: dict) -> np.ndarray:
    """From the image file to the present image (3, 3); the identity if nothing moved yet."""
    return results.get("homography_matrix", np.eye(3, dtype=np.float32))
