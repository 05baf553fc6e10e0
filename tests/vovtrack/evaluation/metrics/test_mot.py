"""MOTChallenge as a test: samples in, a submission out, scores as those of its files."""

from __future__ import annotations

import zipfile

import pytest
import torch
from plain_videos import plain_sources

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.metrics.mot import MotTrackMetric
from vovtrack.formats.mot.videos import CLASSES, read_mot
from vovtrack.structures import Vocabulary
from vovtrack.synthetic.video_set import write_videos


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp("mot") / "set", "mot", plain_sources(2)) / "train"


def samples(root, **reader) -> list[dict]:
    """The truth as a model would hand it over, in another order of frames."""
    found: list[dict] = []
    for video in read_mot(root, **reader).videos:
        for frame in range(len(video)):
            rows = video.rows(frame)
            tracks = dict(
                bboxes=torch.tensor(video.bboxes[rows]),
                labels=torch.tensor(video.labels[rows]),
                scores=torch.ones(int(video.counts[frame])),
                instances_id=torch.tensor(video.track_ids[rows]),
            )
            sample = dict(vocabulary=Vocabulary.load(CLASSES).fingerprint, frame_id=frame)
            found.append(dict(sample, img_id=len(found), pred_track_instances=tracks))
    return found[::-1]


@pytest.mark.parametrize("part", ["all", "first_half", "second_half"])
def test_truth_as_prediction_is_perfect(root, tmp_path, part):
    reader = dict(format="mot", part=part, names="*-0?")
    metric = MotTrackMetric(str(root), CLASSES, str(tmp_path), reader, benchmark="mot20")
    metric.process(None, samples(root, part=part))
    scores = metric.evaluate(0)
    assert {scores[f"mot20/all/{name}"] for name in ("HOTA", "MOTA", "IDF1")} == {100.0}
    with zipfile.ZipFile(tmp_path / "submission.zip") as archive:
        assert archive.namelist() == ["plain-00.txt", "plain-01.txt"]
        rows = archive.read("plain-00.txt").decode().splitlines()
    length = dict(all=12, first_half=7, second_half=5)[part]
    assert {int(row.split(",")[0]) for row in rows} == set(range(1, length + 1))
    report = evaluate("mot20", root, tmp_path / "submission.zip", part=part)
    assert report["summary"]["all"]["HOTA"] == 100
    assert report["protocol"]["frames"] == 2 * length and report["protocol"]["part"] == part


def test_the_same_files_make_the_same_archive(root, tmp_path):
    for folder in ("a", "b"):
        metric = MotTrackMetric(str(root), CLASSES, str(tmp_path / folder), format_only=True)
        metric.process(None, samples(root))
        assert metric.evaluate(0) == {}
        assert not (tmp_path / folder / "mot17.json").exists()
    a, b = ((tmp_path / folder / "submission.zip").read_bytes() for folder in ("a", "b"))
    assert a == b


def test_sequences_by_name(root, tmp_path):
    reader = dict(format="mot", names="*-01")
    metric = MotTrackMetric(str(root), CLASSES, str(tmp_path), reader)
    metric.process(None, samples(root, names="*-01"))
    assert metric.evaluate(0)["mot17/all/HOTA"] == 100
    assert [path.name for path in (tmp_path / "tracks").iterdir()] == ["plain-01.txt"]
    with pytest.raises(InputError, match="no ground truth of a sequence of a name like 'MOT"):
        evaluate("mot17", root, tmp_path / "tracks", names="MOT*")


def test_missing_frames_foreign_classes_and_infinite_boxes(root, tmp_path):
    metric = MotTrackMetric(str(root), CLASSES, str(tmp_path))
    metric.process(None, samples(root)[1:])
    with pytest.raises(InputError, match="1 of 24 frames have no results, the first: 11 of 'plai"):
        metric.evaluate(0)
    (sample, *_) = samples(root)
    with pytest.raises(InputError, match="classes differ from the evaluator's"):
        metric.process(None, [dict(sample, vocabulary="other")])
    tracks = dict(sample["pred_track_instances"], scores=torch.full((3,), float("nan")))
    with pytest.raises(InputError, match="Frame 23: a track holds a number that is not finite"):
        metric.process(None, [dict(sample, pred_track_instances=tracks)])


def test_an_interrupted_test_resumes(root, tmp_path):
    def started(folder, run):
        metric = MotTrackMetric(str(root), CLASSES, str(tmp_path / folder), format_only=True)
        return metric, metric.begin(run)

    found = samples(root)  # the last video first
    whole, done = started("whole", "a")
    assert done == frozenset()
    whole.process(None, found)
    whole.evaluate(0)
    killed, _ = started("killed", "a")
    killed.process(None, found[:13])
    assert not (tmp_path / "killed/tracks").exists()
    with pytest.raises(InputError, match="unfinished results of another run"):
        started("killed", "b")
    resumed, done = started("killed", "a")
    assert done == {1}
    resumed.process(None, found[12:])
    resumed.evaluate(0)
    a, b = ((tmp_path / name / "submission.zip").read_bytes() for name in ("whole", "killed"))
    assert a == b
    _, done = started("killed", "b")  # what is whole is nobody's any more
    assert done == frozenset()
    started("whole", "a")[0].forget()
    assert [path.name for path in (tmp_path / "whole").iterdir() if path.is_dir()] == ["tracks"]
