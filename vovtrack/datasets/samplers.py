"""The order in which processes go through videos."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any, Protocol

from mmengine.dist import get_dist_info
from torch.utils.data import BatchSampler, Sampler

from vovtrack.registry import DATA_SAMPLERS


class _Videos(Protocol):
    """A dataset whose items know their video."""

    def __len__(self) -> int: ...

    def get_data_info(self, index: int) -> dict[str, Any]: ...


@DATA_SAMPLERS.register_module()
class VideoSampler(Sampler[int]):
    """Gives whole videos to processes, balanced by their number of frames.

    Longest video first, each to the process with the least work so far (Graham, 1969). The
    split depends on the data alone, so it is the same in every run. A process may get no video.

    Args:
        dataset: Items know their ``video_id``; the frames of a video are consecutive.
        seed: Given by the runner and not used: the order is fixed.
    """

    def __init__(self, dataset: _Videos, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.videos: dict[int, list[int]] = {}
        for index in range(len(dataset)):
            self.videos.setdefault(dataset.get_data_info(index)["video_id"], []).append(index)
        self._share()

    def skip(self, video_ids: Collection[int]) -> None:
        """Leave out videos that are already done and balance the rest."""
        self.videos = {v: frames for v, frames in self.videos.items() if v not in video_ids}
        self._share()

    def _share(self) -> None:
        loads = [0] * self.world_size
        mine = set()
        for video in sorted(self.videos, key=lambda v: (-len(self.videos[v]), v)):
            rank = loads.index(min(loads))
            loads[rank] += len(self.videos[video])
            if rank == self.rank:
                mine.add(video)
        self.own_videos = [frames for v, frames in self.videos.items() if v in mine]

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self.own_videos)

    def __len__(self) -> int:
        return sum(map(len, self.own_videos))


@DATA_SAMPLERS.register_module()
class VideoBatchSampler(BatchSampler):
    """Cuts each video into batches of consecutive frames that never mix two videos.

    A batch is padded to its largest image. Because a video is always cut at the same frames, its
    results do not depend on the videos that the same process handles before it.

    Args:
        sampler: A :class:`VideoSampler`.
        batch_size: Frames in a batch; the last one of a video may have fewer.
    """

    sampler: VideoSampler

    def __init__(self, sampler: VideoSampler, batch_size: int) -> None:
        super().__init__(sampler, batch_size, drop_last=False)

    def __iter__(self) -> Iterator[list[int]]:
        for frames in self.sampler.own_videos:
            for start in range(0, len(frames), self.batch_size):
                yield frames[start : start + self.batch_size]

    def __len__(self) -> int:
        return sum(-(-len(frames) // self.batch_size) for frames in self.sampler.own_videos)
