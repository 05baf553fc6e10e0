"""Videos with points to follow, as TAP-Vid publishes them, as data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.structures import BaseDataElement

from vovtrack.errors import InputError, one_of
from vovtrack.formats.tapvid_videos import open_videos, resized
from vovtrack.registry import DATASETS
from vovtrack.structures.points import MODES, sample_queries


@DATASETS.register_module()
class PointVideoDataset(BaseDataset):
    """Whole videos and what is asked of a tracker in them, one video in memory at a time.

    An item holds ``inputs``, (T, 3, H, W) uint8 RGB, and ``data_samples`` with ``queries``, (n, 3)
    float32 ``(frame, x, y)`` in its pixels, and the facts ``video`` (its name), ``video_id``,
    ``source_size`` and ``mode``.

    Args:
        mode: ``first`` or ``strided``, see :func:`vovtrack.structures.points.sample_queries`.
        source_size: (width, height) to which videos are resized before a tracker sees them. The
            published tables begin with 256 x 256 pixels, whatever the tracker makes of them.
        **kwargs: Of mmengine's ``BaseDataset``: ``data_root`` and ``ann_file``, see
            :func:`vovtrack.formats.tapvid_videos.open_videos`.

    Raises:
        InputError: An unknown mode, a size that is not positive, or unusable files.
    """

    METAINFO: dict = {}

    def __init__(
        self, mode: str = "first", source_size: tuple[int, int] = (256, 256), **kwargs: Any
    ) -> None:
        one_of("mode", mode, MODES)
        if len(source_size) != 2 or min(source_size) < 1:
            raise InputError(f"source_size is {source_size}, expected (width, height) in pixels.")
        self.mode = mode
        self.source_size = (int(source_size[0]), int(source_size[1]))
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Find the videos."""
        return [dict(video=video, video_id=k) for k, video in enumerate(open_videos(self.ann_file))]

    def prepare_data(self, idx: int) -> dict[str, Any]:
        """Read a video and its queries."""
        item = self.get_data_info(idx)
        video, (width, height) = item["video"], self.source_size
        truth = video.truth()
        queries, _ = sample_queries(truth.points * self.source_size, truth.occluded, self.mode)
        frames = np.stack([resized(frame, width, height) for frame in video.frames()])
        facts = dict(
            video=video.name,
            video_id=item["video_id"],
            source_size=self.source_size,
            mode=self.mode,
        )
        sample = BaseDataElement(metainfo=facts)
        sample.queries = torch.from_numpy(queries[:, [0, 2, 1]].astype(np.float32))
        return dict(inputs=torch.from_numpy(frames.transpose(0, 3, 1, 2)), data_samples=sample)
