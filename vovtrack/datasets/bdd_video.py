"""The frames of a BDD100K file, video by video."""

from __future__ import annotations

import os
from itertools import groupby

from mmengine.dataset import BaseDataset

from vovtrack.errors import InputError
from vovtrack.formats.bdd100k import list_frames
from vovtrack.formats.coco import require_files
from vovtrack.registry import DATASETS


@DATASETS.register_module()
class BddVideoDataset(BaseDataset):
    """Frames for testing a tracker, in order of video and time.

    Items are as those of :class:`~vovtrack.datasets.tao_video.TaoVideoDataset`; ``img_id`` counts
    the frames of :func:`~vovtrack.formats.bdd100k.list_frames`. Images lie in a folder per video.

    Args:
        **kwargs: Of mmengine's ``BaseDataset``: ``ann_file`` (JSON, or folder of JSON files),
            ``data_prefix`` (``img``), ``pipeline``, ...

    Raises:
        InputError: Broken annotation file, frames without names, or missing on disk (listed).
    """

    def load_data_list(self) -> list[dict]:
        """Read the frames of all videos."""
        frames = list_frames(self.ann_file)
        if unnamed := [frame for frame in frames if not frame.name]:
            raise InputError(
                f"{self.ann_file}: frame {unnamed[0].number} of video '{unnamed[0].video}' has no "
                "'name', the file name of its image."
            )
        items: list[dict] = []
        for video_id, (video, group) in enumerate(groupby(frames, key=lambda f: f.video)):
            own = list(group)
            items += [
                dict(
                    img_id=len(items) + position,
                    img_path=os.path.join(self.data_prefix["img"], video, frame.name),
                    video_id=video_id,
                    frame_id=position,
                    video_length=len(own),
                )
                for position, frame in enumerate(own)
            ]
        require_files([item["img_path"] for item in items], self.ann_file)
        return items
