"""Videos as data, whatever file they come from."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_random_params
from mmengine.dataset import BaseDataset, force_full_init
from mmengine.logging import print_log

from vovtrack.datasets.views import draw_views, pack_views
from vovtrack.errors import InputError
from vovtrack.formats.coco import require_files
from vovtrack.formats.videos import find_reader
from vovtrack.registry import DATASETS, TRANSFORMS
from vovtrack.structures.videos import NO_SIZE, VideoRecord


@DATASETS.register_module()
class VideoDataset(BaseDataset):
    """Annotated videos: to train on key frames with references, or to test frame by frame.

    What is stored are videos. Every frame is the key of one item: with ``pick`` it comes with the
    frames that this transform picks of its video, of which references are drawn at each access.
    All views pass the pipeline, which packs them with ``PackIdentityInputs`` or the like, and an
    item holds lists ``inputs`` and ``data_samples``, the key first. Without ``pick`` an item is a
    frame alone; frames come video by video in order of time, as a tracker is tested.

    Each frame knows ``img_id`` (its place in the dataset), ``img_path``, ``video_id``, ``frame_id``
    (0, 1, ... inside its video), ``video_length`` and ``instances``, and ``height`` and ``width``
    if the file says them.

    Args:
        reader: ``format``, a name of :mod:`vovtrack.formats.videos`, and options of that reader. It
            is given ``ann_file``.
        pick: Config of a transform that picks the frames that may be references, such as
            :class:`~vovtrack.datasets.views.NearbyFrames`.
        num_references: Views besides the key.
        skip_empty: Leave out frames without a box. No such frame is a reference either.
        require_match: Draw only references that share an object with the key, and the key itself
            where there are none; and give up a pair that lost its common objects in the pipeline.
        share_transforms: Draw random parameters of the pipeline once for all views of an item.
        **kwargs: Of mmengine's ``BaseDataset``: ``data_root``, ``ann_file``, ``data_prefix``
            (``img``, the folder of all images), ``pipeline``, ``test_mode``, ...

    Raises:
        InputError: Unknown reader, broken file, no frame with a box to learn from, or images
            missing on disk (listed).
    """

    METAINFO: dict = {}

    def __init__(
        self,
        reader: dict[str, Any],
        pick: dict[str, Any] | None = None,
        num_references: int = 1,
        skip_empty: bool = False,
        require_match: bool = False,
        share_transforms: bool = False,
        **kwargs: Any,
    ) -> None:
        self._read = find_reader(**reader)
        self.pick: BaseTransform | None = None if pick is None else TRANSFORMS.build(pick)
        self.num_references = num_references
        self.skip_empty = skip_empty
        self.require_match = require_match
        self.share_transforms = share_transforms
        self._recent: tuple[int, VideoRecord] | None = None
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict[str, VideoRecord]]:
        """Read the videos."""
        found = self._read(self.ann_file)
        for note in found.notes:
            print_log(note, logger="current")
        self._metainfo.setdefault("classes", found.classes)
        videos = [video.without_empty() if self.skip_empty else video for video in found.videos]
        if not any(len(video.bboxes) for video in videos) and self.pick is not None:
            raise InputError(f"'{self.ann_file}' has no frame with a box to learn from.")
        for video in videos:
            if "" in video.images:
                number = video.numbers[video.images.index("")]
                raise InputError(
                    f"{self.ann_file}: frame {number} of video '{video.name}' does not name the "
                    "file of its image ('name')."
                )
        require_files([self._path(image) for v in videos for image in v.images], self.ann_file)
        return [dict(video=video) for video in videos if len(video)]

    def full_init(self) -> None:
        """Read the videos, once, and number their frames."""
        if self._fully_initialized:
            return
        super().full_init()
        lengths = [len(self.video(number)) for number in range(super().__len__())]
        self._ends = np.cumsum(lengths)

    @force_full_init
    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def num_videos(self) -> int:
        """Number of videos."""
        return super().__len__()

    def video(self, number: int) -> VideoRecord:
        """The video whose frames have this ``video_id``; the last one is at hand."""
        if self._recent is None or self._recent[0] != number:
            self._recent = number, super().get_data_info(number)["video"]
        return self._recent[1]

    @force_full_init
    def get_data_info(self, idx: int) -> dict[str, Any]:
        """A frame, and if references are wanted all that may be drawn: ``references``."""
        idx = range(len(self))[idx]
        number = int(np.searchsorted(self._ends, idx, side="right"))
        video = self.video(number)
        first = int(self._ends[number]) - len(video)
        item = self._frame(video, number, first, idx - first)
        if self.pick is not None:
            picked = self._picked(self.pick, video, idx - first)
            item["references"] = [self._frame(video, number, first, k) for k in picked]
        return item

    def prepare_data(self, idx: int) -> dict[str, Any] | None:
        """Pass the views of an item through the pipeline; None if they are to be drawn again."""
        item = self.get_data_info(idx)
        if self.pick is None:
            return self.pipeline(item)
        transforms = self.pipeline.transforms
        with cache_random_params(transforms) if self.share_transforms else nullcontext():
            views = [self.pipeline(view) for view in draw_views(item, self.num_references)]
        return pack_views(views, self.require_match)

    def _picked(self, pick: BaseTransform, video: VideoRecord, key: int) -> list[int]:
        """Positions of the frames that may be references of a key."""
        picked = pick(dict(video=video, key=key))["picked"]
        if not self.require_match:
            return picked
        own = video.objects(key)
        return [place for place in picked if own & video.objects(place)] or [key]

    def _frame(self, video: VideoRecord, number: int, first: int, position: int) -> dict[str, Any]:
        """One frame in the form that mmdet's transforms take."""
        rows = video.rows(position)
        columns = (video.bboxes, video.labels, video.ignored.astype(int), video.track_ids)
        keys = ("bbox", "bbox_label", "ignore_flag", "instance_id")
        values = (column[rows].tolist() for column in columns)
        width, height = size = tuple(video.sizes[position].tolist())
        return dict(
            img_id=first + position,
            img_path=self._path(video.images[position]),
            **({} if size == NO_SIZE else dict(height=height, width=width)),
            video_id=number,
            frame_id=position,
            video_length=len(video),
            instances=[dict(zip(keys, row, strict=True)) for row in zip(*values, strict=True)],
        )

    def _path(self, image: str) -> str:
        return os.path.join(self.data_prefix["img"], image)
