"""From a frame in memory to the input of a network, as a test prepares its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import Compose
from mmengine.config import Config

from vovtrack.errors import InputError
from vovtrack.registry import TRANSFORMS


class FramePipeline:
    """The test pipeline of a config, for frames that need not be read.

    Args:
        steps: Configs of the transforms. Those that load (``Load...``) are left out: the frame is
            there, and annotations are not.
    """

    def __init__(self, steps: Sequence[Mapping[str, Any]]) -> None:
        kept = [dict(step) for step in steps if not _loads(step)]
        for step in kept:
            if "scale" in step:  # a list where the config is YAML, of which mmcv makes nothing
                step["scale"] = _pair(step["scale"])
        self.steps = Compose([TRANSFORMS.build(step) for step in kept])

    @classmethod
    def of(cls, cfg: Config) -> FramePipeline:
        """The pipeline of ``test_dataloader``.

        Raises:
            InputError: The config has none, or a ``frame_scale`` that its pipeline does not use.
        """
        try:
            steps = cfg.test_dataloader.dataset.pipeline
        except AttributeError:
            raise InputError(
                f"Config '{cfg.filename}' has no test_dataloader.dataset.pipeline, which says how "
                "a frame becomes the network's input."
            ) from None
        scales = [_pair(step["scale"]) for step in steps if "scale" in step]
        if "frame_scale" in cfg and scales and _pair(cfg.frame_scale) not in scales:
            raise InputError(
                f"Config '{cfg.filename}' sets frame_scale={tuple(cfg.frame_scale)}, which nothing "
                f"reads: frames are resized to {scales[0]}. Set the 'scale' of Resize in "
                "test_dataloader.dataset.pipeline instead."
            )
        return cls(steps)

    def __call__(self, frame: np.ndarray, **meta: Any) -> dict[str, Any]:
        """Prepare a frame.

        Args:
            frame: (H, W, 3) uint8 BGR, as images of datasets are read.
            **meta: What the data sample is to say of it besides its shapes, such as ``frame_id``.

        Returns:
            ``inputs`` (3, h, w) and its ``data_samples``, as a test hands them to a model.

        Raises:
            InputError: The frame is so long and narrow that resizing leaves nothing of it.
        """
        height, width = shape = frame.shape[:2]
        try:
            view = self.steps(dict(img=frame, img_shape=shape, ori_shape=shape, img_path=None))
        except cv2.error as error:
            raise InputError(
                f"A frame has {width}x{height} pixels: resized for the network, nothing is left "
                f"of it ({error.err})."
            ) from None
        view["data_samples"].set_metainfo(meta)
        return view


def _loads(step: Mapping[str, Any]) -> bool:
    return step["type"].rpartition(".")[2].startswith("Load")


def _pair(scale: int | Sequence[int]) -> tuple[int, ...]:
    return (scale, scale) if isinstance(scale, int) else tuple(scale)
