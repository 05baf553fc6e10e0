"""Frames for testing a tracker."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from mmengine.dataset import Compose

from vovtrack.datasets import LoadCheckedImage, TaoVideoDataset
from vovtrack.errors import InputError
from vovtrack.synthetic import write_world


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("w") / "world", size="tiny", workers=1) / "tao"


def dataset(root, frames=None, ann_file=None) -> TaoVideoDataset:
    return TaoVideoDataset(
        ann_file=str(ann_file or root / "annotations/validation.json"),
        data_prefix=dict(img=str(frames or root / "frames")),
        test_mode=True,
    )


def test_frames_come_video_by_video_in_order_of_time(root):
    data = dataset(root)
    items = [data.get_data_info(i) for i in range(len(data))]
    assert [item["video_id"] for item in items] == sorted(item["video_id"] for item in items)
    starts = [i for i, item in enumerate(items) if item["frame_id"] == 0]
    for start, end in zip(starts, [*starts[1:], len(items)], strict=True):
        video = items[start:end]
        assert [item["frame_id"] for item in video] == [*range(video[0]["video_length"])]


def test_frames_out_of_order_are_refused(root, tmp_path):
    content = json.loads((root / "annotations/validation.json").read_text())
    content["images"] = content["images"][::-1]
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"a\.json.*frame"):
        dataset(root, ann_file=tmp_path / "a.json")


def test_an_unreadable_frame_is_named_when_its_turn_comes(root, tmp_path):
    shutil.copytree(root / "frames", tmp_path / "frames")
    data = dataset(root, frames=tmp_path / "frames")
    path = Path(data.get_data_info(3)["img_path"])
    path.write_bytes(path.read_bytes()[:200])
    data.pipeline = Compose([LoadCheckedImage()])
    assert data[2]["img"].shape == data[2]["ori_shape"] + (3,)
    with pytest.raises(InputError, match=f"{path}.*cannot be read"):
        data[3]


def test_missing_frames_are_listed_before_the_test_starts(root, tmp_path):
    with pytest.raises(InputError, match="are missing on disk"):
        dataset(root, frames=tmp_path)
