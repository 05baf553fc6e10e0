"""Clips of raw video, without any label: what self-supervision learns from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import numpy as np
from mmcv.transforms.utils import cache_random_params
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from vovtrack.errors import InputError, one_of
from vovtrack.registry import DATASETS

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@DATASETS.register_module()
class RawSnippetDataset(BaseDataset):
    """Short clips of videos that lie as folders of frames.

    Each folder of ``folders`` holds one sub-folder per video; frames are read in the order of
    their names. A long video is cut into chunks, each an item, from which a clip is drawn again
    every epoch: half of its frames in a row, and after a random gap the other half in a row
    (VOVTrack, Qian et al., ICCV 2025, long-short-interval sampling), so that it shows both small
    and large changes.

    Args:
        folders: Folders of videos, relative to ``data_root``.
        clip_length: T, frames of a clip; even for ``long_short``.
        chunk_length: Frames of a chunk; None leaves videos whole.
        keep_remainder: Whether what is left behind the last whole chunk is an item too if it is
            long enough; the released training loses it.
        sampling: ``long_short``, or ``consecutive`` frames.
        stride: Of consecutive frames every so many is taken.
        window: Frames within which a long-short clip lies.
        share_transforms: Draw random parameters of the pipeline once per clip; by default every
            frame is augmented by itself, as released.
        **kwargs: Of mmengine's ``BaseDataset``: ``data_root``, ``pipeline``, ...

    Raises:
        InputError: A folder is missing or holds no video that is long enough, or impossible
            lengths.
    """

    METAINFO: dict = {}

    def __init__(
        self,
        folders: Sequence[str],
        clip_length: int = 8,
        chunk_length: int | None = 64,
        keep_remainder: bool = False,
        sampling: Literal["long_short", "consecutive"] = "long_short",
        stride: int = 1,
        window: int = 16,
        share_transforms: bool = False,
        **kwargs,
    ) -> None:
        one_of("sampling", sampling, ("long_short", "consecutive"))
        if clip_length < 2 or (sampling == "long_short" and clip_length % 2):
            raise InputError(f"clip_length is {clip_length}: it must be even and at least 2.")
        if stride < 1 or (sampling == "long_short" and stride > 1):
            raise InputError(
                f"stride is {stride}: it must be at least 1, and 1 with sampling='long_short'."
            )
        span = (clip_length - 1) * stride + 1
        narrow = sampling == "long_short" and window < span
        if narrow or (chunk_length is not None and chunk_length < span):
            raise InputError(
                f"window={window} and chunk_length={chunk_length} must hold a clip of {span} "
                "frames."
            )
        self.folders = tuple(folders)
        self.clip_length = clip_length
        self.chunk_length = chunk_length
        self.keep_remainder = keep_remainder
        self.sampling = sampling
        self.stride = stride
        self.span = span
        self.window = window
        self.share_transforms = share_transforms
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """List the chunks of all videos; videos that are too short are counted in the log."""
        items: list[dict] = []
        for name in self.folders:
            folder = Path(self.data_root or "", name)
            if not folder.is_dir():
                raise InputError(f"The folder of videos '{folder}' does not exist.")
            videos = sorted(path for path in folder.iterdir() if path.is_dir())
            chunks = [chunk for video in videos for chunk in self._chunks(folder, video)]
            if not chunks:
                raise InputError(
                    f"'{folder}' holds {len(videos)} folders of frames, but none with "
                    f"{self.span} images or more: each video must be a folder of images "
                    "('vovtrack prepare frames' makes them of video files)."
                )
            long_enough = {chunk["video"] for chunk in chunks}
            if len(long_enough) < len(videos):
                print_log(
                    f"'{folder}': {len(videos) - len(long_enough)} of {len(videos)} videos are "
                    f"left out, because they have fewer than {self.span} frames.",
                    logger="current",
                )
            items += chunks
        return items

    def _chunks(self, folder: Path, video: Path) -> list[dict]:
        files = sorted(path for path in video.iterdir() if not path.name.startswith("."))
        frames = [str(path) for path in files if path.suffix.lower() in IMAGE_ENDINGS]
        size = self.chunk_length or max(len(frames), 1)
        if len(frames) < self.span:
            return []
        if len(frames) < size:
            parts = [frames]
        else:
            parts = [frames[start : start + size] for start in range(0, len(frames), size)]
            if not self.keep_remainder:
                parts = [part for part in parts if len(part) == size]
        name = f"{folder.name}/{video.name}"
        return [
            dict(video=name, frames=part, first=number * size)
            for number, part in enumerate(parts)
            if len(part) >= self.span
        ]

    def draw_frames(self, count: int) -> list[int]:
        """Places of the frames of one clip in a chunk of ``count`` frames, ascending."""
        start = np.random.randint(0, count - self.span + 1)
        if self.sampling == "consecutive":
            return list(range(start, start + self.span, self.stride))
        half = self.clip_length // 2
        last = min(count - half, start + self.window - half)
        second = np.random.randint(start + half, last + 1)
        return [*range(start, start + half), *range(second, second + half)]

    def prepare_data(self, idx: int) -> dict | None:
        """Draw a clip and pass its frames through the pipeline; None if one is to be skipped.

        Raises:
            InputError: A frame cannot be read, unless the pipeline skips it; it is named.
        """
        item = self.get_data_info(idx)
        views = []
        shared = self.share_transforms
        with cache_random_params(self.pipeline.transforms) if shared else nullcontext():
            for place in self.draw_frames(len(item["frames"])):
                frame = dict(
                    img_path=item["frames"][place],
                    img_id=place,
                    video=item["video"],
                    frame_index=item["first"] + place,
                    clip_length=self.clip_length,
                )
                views.append(self.pipeline(frame))
                if views[-1] is None:
                    return None
        return {name: [view[name] for view in views] for name in ("inputs", "data_samples")}
