"""BDD100K as a test: frames in, result files out, scores as those of the files."""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict

import cv2
import numpy as np
import pytest
import torch

from vovtrack.datasets import VideoDataset
from vovtrack.engine import run as launch
from vovtrack.engine.packaged_trackers import find_tracker
from vovtrack.engine.replay import replay
from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.metrics.bdd import BddTrackMetric
from vovtrack.formats.bdd100k import CLASSES, read_videos
from vovtrack.formats.bdd100k_videos import read_bdd100k
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.observations import ObservationStore
from vovtrack.structures import Vocabulary

MINI = "saved_models/mini/ovtrack_mini.safetensors"


def samples(path) -> list[dict]:
    """The tracks of a file as a model would hand them over, in another order of frames."""
    fingerprint = Vocabulary.load(CLASSES).fingerprint
    found: list[dict] = []
    for video in read_bdd100k(path).videos:
        for position in range(len(video)):
            rows = video.rows(position)
            tracks = dict(
                bboxes=torch.tensor(video.bboxes[rows]),
                labels=torch.tensor(video.labels[rows]),
                scores=torch.ones(int(video.counts[position])),
                instances_id=torch.tensor(video.track_ids[rows]),
            )
            sample = dict(vocabulary=fingerprint, pred_track_instances=tracks)
            found.append(dict(sample, img_id=len(found), frame_id=position))
    return found[::-1]


def test_scores_are_those_of_the_official_program_for_the_same_tracks(recorded, tmp_path):
    gt, pred = recorded("bdd_gt"), recorded("bdd_pred")
    metric = BddTrackMetric(str(gt), CLASSES, str(tmp_path))
    metric.process(None, samples(pred))
    metrics = metric.evaluate(0)
    expected = evaluate("bdd100k", gt, pred)
    for group, scores in expected["summary"].items():
        for name in expected["headline"]:
            if scores.get(name) is not None:
                assert metrics[f"bdd100k/{group}/{name}"] == pytest.approx(scores[name], abs=1e-4)
    written = read_videos(tmp_path / "tracks", InputFaults())
    assert {v: len(t.times) for v, t in written.items()}
    assert (tmp_path / "bdd100k.json").is_file()
    with zipfile.ZipFile(tmp_path / "submission.zip") as archive:
        assert sorted(archive.namelist()) == sorted(p.name for p in (tmp_path / "tracks").iterdir())
    assert evaluate("bdd100k", gt, tmp_path / "submission.zip")["summary"]


def test_only_the_files_are_written_on_request(recorded, tmp_path):
    metric = BddTrackMetric(str(recorded("bdd_gt")), CLASSES, str(tmp_path), format_only=True)
    metric.process(None, samples(recorded("bdd_pred")))
    assert metric.evaluate(0) == {}
    assert list((tmp_path / "tracks").iterdir()) and not (tmp_path / "bdd100k.json").exists()


def test_missing_frames_and_foreign_names(recorded, tmp_path):
    gt = recorded("bdd_gt")
    metric = BddTrackMetric(str(gt), CLASSES, str(tmp_path))
    metric.process(None, samples(recorded("bdd_pred"))[:-1])
    with pytest.raises(InputError, match="1 of .* frames have no results, the first: 0 of"):
        metric.evaluate(0)
    evil = tmp_path / "evil.json"
    evil.write_text(json.dumps([dict(name="a.jpg", videoName="../up", frameIndex=0, labels=[])]))
    metric = BddTrackMetric(str(evil), CLASSES, str(tmp_path / "out"))
    with pytest.raises(InputError, match="'../up' is not the name of a file"):
        metric.process(None, samples(evil))


def bdd_world(folder):
    """Two videos of three frames, named out of order."""
    frames = []
    for video, index in [("b", 2), ("b", 0), ("a", 1), ("a", 0), ("b", 1), ("a", 2)]:
        name = f"{video}-{index:07d}.jpg"
        box = dict(x1=10 * index, y1=5, x2=10 * index + 30, y2=40)
        label = dict(id="1", category="car", box2d=box, attributes={})
        frames.append(dict(name=name, videoName=video, frameIndex=index, labels=[label]))
        path = folder / "images" / video / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((96, 128, 3), 80 + 20 * index, np.uint8))
    (folder / "labels.json").write_text(json.dumps(frames))


def test_frames_come_in_order_of_video_and_time(tmp_path):
    bdd_world(tmp_path)
    settings = dict(data_root=str(tmp_path), ann_file="labels.json", pipeline=[], test_mode=True)
    reader = dict(format="bdd100k")
    dataset = VideoDataset(reader, data_prefix=dict(img="images"), **settings)
    seen = defaultdict(list)
    for number in range(len(dataset)):
        info = dataset.get_data_info(number)
        assert info["img_id"] == number and info["video_length"] == 3
        seen[info["video_id"]].append((info["frame_id"], info["img_path"].rsplit("/", 1)[1]))
    assert seen[0] == [(i, f"a-000000{i}.jpg") for i in range(3)]
    assert seen[1] == [(i, f"b-000000{i}.jpg") for i in range(3)]
    next((tmp_path / "images/b").iterdir()).unlink()
    with pytest.raises(InputError, match="1 of 6 images .* missing on disk"):
        VideoDataset(reader, data_prefix=dict(img="images"), **settings)


@pytest.mark.slow
def test_a_test_run_writes_what_the_tools_read(repository, tmp_path):
    bdd_world(tmp_path)
    names = f"[{','.join(CLASSES)}]"
    evaluator = dict(
        type="BddTrackMetric",
        ann_file=str(tmp_path / "labels.json"),
        vocabulary=list(CLASSES),
        out_dir=str(tmp_path / "out"),
    )
    metrics = launch.test(
        "configs/mini/ovtrack.py",
        MINI,
        work_dir=tmp_path / "work",
        observations=tmp_path / "observations",
        cfg_options=[
            f"model.vocabulary={names}",
            "model.roi_head.classifier.context=None",
            "test_dataloader.dataset.type=VideoDataset",
            f"test_dataloader.dataset.reader={dict(format='bdd100k')}",
            f"test_dataloader.dataset.data_root={tmp_path}",
            "test_dataloader.dataset.ann_file=labels.json",
            "test_dataloader.dataset.data_prefix.img=images",
            *("test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"),
            f"test_evaluator={evaluator}",
        ],
    )  # fmt: skip
    assert "bdd100k/all/HOTA" in metrics
    files = sorted((tmp_path / "out/tracks").glob("*.json"))
    assert [path.name for path in files] == ["a.json", "b.json"]
    for path in files:
        frames = json.loads(path.read_text())
        assert [frame["frameIndex"] for frame in frames] == [0, 1, 2]
    again = replay(
        ObservationStore(tmp_path / "observations"),
        find_tracker("configs/mini/ovtrack.py"),
        tmp_path / "again",
    )
    assert {name: metrics[name] for name in again} == again
    for path in files:
        assert (tmp_path / "again/tracks" / path.name).read_bytes() == path.read_bytes()
    (tmp_path / "labels.json").write_text("[]")
    with pytest.raises(InputError, match="is not the annotation file that"):
        replay(ObservationStore(tmp_path / "observations"), {}, tmp_path / "other")
        assert all(label["category"] in CLASSES for frame in frames for label in frame["labels"])
