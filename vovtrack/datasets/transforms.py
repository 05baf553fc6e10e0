"""Transforms of single images that mmcv and mmdet lack."""

from __future__ import annotations

import cv2
from mmcv.transforms import LoadImageFromFile

from vovtrack.errors import InputError
from vovtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadCheckedImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile`` that names the file it cannot use.

    Boxes of an annotation are in pixels of its image, so an image of another size than the
    annotation says is refused as well.
    """

    def transform(self, results: dict) -> dict:
        """Read ``img_path``; see mmcv for the keys that are set.

        Raises:
            InputError: The file cannot be read or decoded, or has another size than ``width``
                and ``height`` of the item.
        """
        path = results["img_path"]
        try:
            loaded = super().transform(results)
        except (AssertionError, OSError, cv2.error):
            loaded = None
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
