"""Transforms of single images that mmcv and mmdet lack."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmcv.transforms.utils import cache_randomness
from mmdet.datasets.transforms import Resize
from mmengine.logging import print_log

from vovtrack.errors import InputError, one_of
from vovtrack.files.images import check_size
from vovtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadCheckedImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile`` that names the file it cannot use.

    Boxes of an annotation are in pixels of its image, so an image of another size than the
    annotation says is refused as well.

    Args:
        on_broken: What a file means that cannot be read: ``error``, or in training ``skip``, which
            leaves the sample out, so that the dataset draws another. Each such file is told once.
        max_broken: How many files may be skipped, by all data workers of a process together; one
            more is an error.
        **kwargs: Of mmcv's ``LoadImageFromFile``.

    Raises:
        InputError: ``on_broken`` is something else.
    """

    def __init__(
        self,
        on_broken: Literal["error", "skip"] = "error",
        max_broken: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        one_of("on_broken", on_broken, ("error", "skip"))
        self._broken = BrokenFiles(max_broken) if on_broken == "skip" else None

    def transform(self, results: dict) -> dict | None:
        """Read ``img_path``; see mmcv for the keys that are set. None says to skip the sample.

        Raises:
            InputError: The file cannot be read or decoded, unless it is to be skipped, or has
                another size than ``width`` and ``height`` of the item.
        """
        path = results["img_path"]
        check_size(path, path)
        try:
            loaded = super().transform(results)
        except (AssertionError, OSError, cv2.error):
            loaded = None
        if loaded is None and self._broken is not None:
            self._broken.add(path)
            return None
        if loaded is None:
            raise InputError(f"Image '{path}' cannot be read or is cut short: replace the file.")
        height, width = loaded["ori_shape"]
        expected = loaded.get("width", width), loaded.get("height", height)
        if (width, height) != expected:
            raise InputError(
                f"Image '{path}' has {width}x{height} pixels, its annotation says "
                f"{expected[0]}x{expected[1]}: use the images the annotation was made for."
            )
        return loaded


@TRANSFORMS.register_module()
class FitResize(Resize):
    """Scales an image into a frame, in its ratio of sides: the frame is filled in one direction.

    mmcv's ``Resize(keep_ratio=True)`` turns the frame for images in portrait format; this one does
    not. Boxes and the homography follow as in mmdet's.

    Args:
        scale: (width, height) of the frame.
        ratio_range: Width and height of the frame are multiplied by factors drawn between these,
            each by its own.
        as_float: Interpolate in float32 and return that, as PyTorch's bilinear interpolation
            does, instead of rounding to bytes.
    """

    _methods_with_randomness: ClassVar[list[str]] = []

    def __init__(
        self,
        scale: tuple[int, int],
        ratio_range: tuple[float, float] = (1.0, 1.0),
        as_float: bool = False,
    ) -> None:
        super().__init__(scale=scale, keep_ratio=False, clip_object_border=False)
        self.ratio_range = ratio_range
        self.as_float = as_float

    @cache_randomness
    def draw_frame(self) -> tuple[int, int]:
        """(width, height) of the frame."""
        width, height = (int(side * np.random.uniform(*self.ratio_range)) for side in self.scale)
        return width, height

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) that an image of a size is scaled to."""
        frame = self.draw_frame()
        factor = min(frame[0] / width, frame[1] / height)
        return int(width * factor + 0.5), int(height * factor + 0.5)

    def _resize_img(self, results: dict) -> None:
        height, width = results["img"].shape[:2]
        results["scale"] = self.fit(width, height)
        if self.as_float:
            results["img"] = results["img"].astype(np.float32)
        super()._resize_img(results)


class BrokenFiles:
    """Counts the different files that are skipped, in memory that all data workers share.

    Args:
        limit: How many there may be.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._known = multiprocessing.Array("Q", limit)  # a hash each, 0 is a free place

    def add(self, path: str) -> None:
        """Note a file and log it, if it is new.

        Raises:
            InputError: There are more than ``limit``.
        """
        key = int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") or 1
        with self._known.get_lock():
            known = [k for k in self._known[:] if k]
            if key in known:
                return
            if len(known) == self.limit:
                raise InputError(
                    f"Image '{path}' cannot be read or is cut short, and {self.limit} others were "
                    "skipped before (max_broken): the log lists them; replace these files."
                )
            self._known[len(known)] = key
        print_log(
            f"Image '{path}' cannot be read or is cut short: samples with it are skipped (file "
            f"{len(known) + 1} of at most {self.limit}).",
            logger="current",
            level=logging.WARNING,
        )
