"""How videos are shared among processes."""

from __future__ import annotations

import pytest

from vovtrack.datasets import VideoSampler, samplers

LENGTHS = {7: 10, 3: 1, 5: 4, 9: 4, 1: 3}


class Frames:
    """Frames of videos of the given lengths, in the order of the dict."""

    def __init__(self, lengths: dict[int, int]) -> None:
        self.owners = [video for video, length in lengths.items() for _ in range(length)]

    def __len__(self) -> int:
        return len(self.owners)

    def get_data_info(self, index: int) -> dict:
        return dict(video_id=self.owners[index])


@pytest.fixture
def share(monkeypatch):
    def make(world_size: int, lengths=LENGTHS, skip=()):
        parts = []
        for rank in range(world_size):
            monkeypatch.setattr(samplers, "get_dist_info", lambda rank=rank: (rank, world_size))
            sampler = VideoSampler(Frames(lengths))
            sampler.skip(skip)
            assert len(sampler) == len(list(sampler))
            parts.append(list(sampler))
        return parts

    return make


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
def test_every_frame_once_and_whole_videos_in_order(share, world_size):
    parts = share(world_size)
    assert sorted(i for part in parts for i in part) == list(range(22))
    owners = Frames(LENGTHS).owners
    seen = [{owners[i] for i in part} for part in parts]
    assert sum(len(videos) for videos in seen) == len(LENGTHS)
    assert all(part == sorted(part) for part in parts)


def test_work_is_balanced_by_frames(share):
    sizes = [len(part) for part in share(2)]
    assert max(sizes) - min(sizes) <= 2


def test_finished_videos_are_skipped_and_the_rest_is_balanced_again(share):
    parts = share(2, skip={7, 3})
    assert sorted(map(len, parts)) == [4, 7]
    assert not {Frames(LENGTHS).owners[i] for part in parts for i in part} & {7, 3}
