"""The annotated frames of a TAO-style file, video by video."""

from __future__ import annotations

import os
from collections import defaultdict

from mmengine.dataset import BaseDataset

from vovtrack.formats.coco import require_files
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.registry import DATASETS


@DATASETS.register_module()
class TaoVideoDataset(BaseDataset):
    """Frames for testing a tracker, in order of video and time.

    Each item knows its ``img_id``, ``video_id``, ``frame_id`` (0, 1, ... over the annotated
    frames) and ``video_length``; annotations are for the evaluator and do not reach the model.

    Args:
        **kwargs: Of mmengine's ``BaseDataset``: ``ann_file``, ``data_prefix`` (``img``),
            ``pipeline``, ...

    Raises:
        InputError: Broken annotation file, or frames missing on disk (listed).
    """

    def load_data_list(self) -> list[dict]:
        """Read the frames of all videos."""
        content = read_annotations(self.ann_file)
        frames = defaultdict(list)
        for image in content["images"]:
            frames[image["video_id"]].append(image)
        items = [
            dict(
                img_id=image["id"],
                img_path=os.path.join(self.data_prefix["img"], image["file_name"]),
                height=image["height"],
                width=image["width"],
                video_id=video["id"],
                frame_id=position,
                video_length=len(frames[video["id"]]),
            )
            for video in content["videos"]
            for position, image in enumerate(
                sorted(frames[video["id"]], key=lambda image: image["frame_index"])
            )
        ]
        require_files([item["img_path"] for item in items], self.ann_file)
        return items
