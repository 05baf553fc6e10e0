"""Clips of raw video: which frames are drawn, and what is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

import vovtrack.datasets  # noqa: F401  registers the transforms
from ovtrack.datasets import RawSnippetDataset, views_collate
from vovtrack.errors import InputError

SIZE = (64, 48)


def video(folder, frames: int, ending: str = ".jpg"):
    folder.mkdir(parents=True)
    for number in range(frames):
        picture = np.full((SIZE[1], SIZE[0], 3), number, np.uint8)
        cv2.imwrite(str(folder / f"{number:04d}{ending}"), picture)


@pytest.fixture
def root(tmp_path):
    """Two sources: videos of 150, 20, 8 and 7 frames, and one of 12."""
    for name, frames in (("a", 150), ("b", 20), ("c", 8), ("d", 7)):
        video(tmp_path / "one" / name, frames)
    video(tmp_path / "two" / "e", 12)
    (tmp_path / "one" / "a" / "notes.txt").write_text("no frame")
    (tmp_path / "one" / "a" / ".hidden.jpg").write_bytes(b"")
    return tmp_path


def dataset(root, **kwargs) -> RawSnippetDataset:
    kwargs = dict(folders=["one", "two"], data_root=str(root), pipeline=[], **kwargs)
    return RawSnippetDataset(**kwargs)


@pytest.mark.parametrize(
    ("keep", "lengths"), [(False, [64, 64, 20, 8, 12]), (True, [64, 64, 22, 20, 8, 12])]
)
def test_chunks(root, keep, lengths):
    data = dataset(root, keep_remainder=keep)
    assert [len(data.get_data_info(i)["frames"]) for i in range(len(data))] == lengths
    assert data.get_data_info(1)["first"] == 64
    assert data.get_data_info(1)["frames"][0].endswith("one/a/0064.jpg")


def test_videos_that_are_too_short_are_counted(root, monkeypatch):
    told = []
    monkeypatch.setattr(
        "ovtrack.datasets.raw_snippets.print_log", lambda text, **_: told.append(text)
    )
    dataset(root)
    assert len(told) == 1 and "one': 1 of 4 videos are left out" in told[0]


def test_whole_videos(root):
    assert len(dataset(root, chunk_length=None)) == 4


def test_the_gap_of_long_short_clips_is_the_recorded_one(root):
    data = dataset(root)
    np.random.seed(0)
    gaps = np.zeros(10)
    for _ in range(20000):
        places = data.draw_frames(64)
        assert len(places) == 8 and places[0] >= 0 and places[-1] <= 63
        assert np.diff(places[:4]).tolist() == np.diff(places[4:]).tolist() == [1, 1, 1]
        assert places[-1] - places[0] < 16
        gaps[places[4] - places[3]] += 1
    share = 100 * gaps / gaps.sum()
    assert gaps[0] == 0
    assert share[1] == pytest.approx(14.6, abs=1) and share[2] == pytest.approx(12.7, abs=1)
    assert share[9] == pytest.approx(9.4, abs=1)


@pytest.mark.parametrize("count", [8, 9, 12])
def test_short_videos_still_give_clips(root, count):
    data = dataset(root)
    for _ in range(200):
        places = data.draw_frames(count)
        assert len(set(places)) == 8 and places == sorted(places) and places[-1] < count


def test_consecutive_frames(root):
    places = dataset(root, sampling="consecutive").draw_frames(30)
    assert np.diff(places).tolist() == [1] * 7


def test_every_third_frame(root):
    """Videos that hold no such clip are left out."""
    data = dataset(root, clip_length=4, sampling="consecutive", stride=3)
    assert {data.get_data_info(i)["video"] for i in range(len(data))} == {"one/a", "one/b", "two/e"}
    drawn = [data.draw_frames(20) for _ in range(100)]
    assert all(places == list(range(places[0], places[0] + 10, 3)) for places in drawn)
    assert {places[0] for places in drawn} == set(range(11))


def pipeline():
    return [
        dict(type="LoadCheckedImage"),
        dict(type="mmdet.RandomFlip", prob=0.5),
        dict(type="RandomResize", resize_type="mmdet.Resize", scale=SIZE, ratio_range=(0.5, 2.0)),
        dict(
            type="PackIdentityInputs",
            meta_keys=("img_path", "img_shape", "homography_matrix", "clip_length", "frame_index"),
        ),
    ]


def items(root, **kwargs):
    data = RawSnippetDataset(["two"], data_root=str(root), pipeline=pipeline(), **kwargs)
    return [data[0] for _ in range(4)]


def test_frames_are_augmented_one_by_one_or_together(root):
    with DefaultScope.overwrite_default_scope("mmdet"):
        alone, shared = items(root), items(root, share_transforms=True)
    shapes = [{s.img_shape for s in clip["data_samples"]} for clip in alone]
    assert max(map(len, shapes)) > 1
    assert all(len({s.img_shape for s in clip["data_samples"]}) == 1 for clip in shared)
    batch = views_collate(alone)
    assert len(batch["inputs"]) == len(batch["data_samples"]) == 32
    sample = batch["data_samples"][9]
    assert sample.clip_length == 8
    # The homography leads from the original frame to the network input.
    corner = sample.homography_matrix @ np.array([SIZE[0] / 2, SIZE[1] / 2, 1])
    height, width = sample.img_shape
    assert np.allclose(corner[:2], [width / 2, height / 2], atol=1)
    value = batch["inputs"][9][0].float().mean()
    assert abs(value - int(sample.img_path[-8:-4])) < 1 and value == torch.round(value)


def test_an_unreadable_frame_is_named(root):
    for path in (root / "two/e").iterdir():
        path.write_bytes(b"cut")
    with DefaultScope.overwrite_default_scope("mmdet"), pytest.raises(InputError, match="two/e/00"):
        items(root)


def test_a_clip_with_an_unreadable_frame_may_be_skipped(root):
    (root / "two/e/0011.jpg").write_bytes(b"cut")
    steps = pipeline()
    steps[0]["on_broken"] = "skip"
    np.random.seed(0)
    with DefaultScope.overwrite_default_scope("mmdet"):
        data = RawSnippetDataset(["two"], data_root=str(root), pipeline=steps)
        for _ in range(8):
            drawn = [sample.frame_index for sample in data[0]["data_samples"]]
            assert len(drawn) == 8 and 11 not in drawn


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(folders=["none"]), "none' does not exist"),
        (dict(folders=["three"]), "1 folders of frames, but none with 8 images"),
        (dict(clip_length=7), "must be even"),
        (dict(window=6), "must hold a clip of 8"),
        (dict(sampling="consecutive", stride=10), "chunk_length=64 must hold a clip of 71"),
        (dict(sampling="consecutive", stride=0), "stride is 0: it must be at least 1"),
        (dict(stride=2), "and 1 with sampling='long_short'"),
        (dict(chunk_length=4), "must hold a clip of 8"),
        (dict(sampling="random"), "sampling is 'random'"),
    ],
)
def test_what_cannot_be(root, options, message):
    video(root / "three" / "f", 3)
    with pytest.raises(InputError, match=message):
        RawSnippetDataset(**{**dict(folders=["one"], data_root=str(root), pipeline=[]), **options})
