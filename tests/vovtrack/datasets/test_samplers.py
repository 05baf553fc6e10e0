"""How videos are shared among processes."""

from __future__ import annotations

import pytest
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from vovtrack.datasets import VideoBatchSampler, VideoSampler, samplers
from vovtrack.engine.run import load_config

LENGTHS = {7: 10, 3: 1, 5: 4, 9: 4, 1: 3}


class Frames:
    """Frames of videos of the given lengths, in the order of the dict."""

    def __init__(self, lengths: dict[int, int]) -> None:
        self.owners = [video for video, length in lengths.items() for _ in range(length)]

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, index: int) -> int:
        return index

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


@pytest.fixture
def batches(monkeypatch):
    """The batches of each of some processes."""

    def make(world_size: int, batch_size: int, skip=()) -> list[list[list[int]]]:
        parts = []
        for rank in range(world_size):
            monkeypatch.setattr(samplers, "get_dist_info", lambda rank=rank: (rank, world_size))
            batch_sampler = VideoBatchSampler(VideoSampler(Frames(LENGTHS)), batch_size)
            batch_sampler.sampler.skip(skip)
            loader = DataLoader(Frames(LENGTHS), batch_sampler=batch_sampler, collate_fn=list)
            parts.append(list(loader))
            assert len(loader) == len(parts[-1])
        return parts

    return make


@pytest.mark.parametrize("batch_size", [1, 3, 4, 50])
def test_batches_are_consecutive_frames_of_one_video(batches, batch_size):
    (part,) = batches(1, batch_size)
    owners = Frames(LENGTHS).owners
    assert [i for batch in part for i in batch] == list(range(22))
    assert all(len(batch) <= batch_size for batch in part)
    assert all(len({owners[i] for i in batch}) == 1 for batch in part)


@pytest.mark.parametrize("world_size", [2, 3, 8])
def test_batches_do_not_depend_on_the_number_of_processes(batches, world_size):
    shared = sorted(batch for part in batches(world_size, 3) for batch in part)
    assert shared == sorted(batches(1, 3)[0])


def test_batches_skip_finished_videos(batches):
    (part,) = batches(1, 4, skip={7, 9})
    owners = Frames(LENGTHS).owners
    assert {owners[i] for batch in part for i in batch} == {3, 5, 1}


def test_the_tracking_configs_batch_frames_of_one_video(world, repository):
    options = [f"test_dataloader.dataset.data_root={world}", "test_dataloader.batch_size=3"]
    loader = load_config("configs/mini/ovtrack.py", cfg_options=options).test_dataloader
    with DefaultScope.overwrite_default_scope("mmdet"):
        loader = Runner.build_dataloader(loader)
    owners = [
        {loader.dataset.get_data_info(i)["video_id"] for i in b} for b in loader.batch_sampler
    ]
    assert len(owners) > 3 and all(len(videos) == 1 for videos in owners)
