"""Results of a test run: streamed by video, joined in one order, continued after a kill."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from vovtrack.errors import InputError
from vovtrack.evaluation.metrics.tao_tracks import TaoTrackMetric
from vovtrack.files import atomic
from vovtrack.files.hashing import file_sha256
from vovtrack.structures import Vocabulary

NAMES = ["red ball", "blue cube"]
FRAMES = 3


@pytest.fixture
def ann_file(tmp_path):
    """Three videos of three frames; one ball and one cube (novel) stand still in each."""
    images = [
        dict(id=10 * v + t, video_id=v, frame_index=t, frame_id=t, width=64, height=48)
        for v in (1, 2, 3)
        for t in range(FRAMES)
    ]
    tracks = [dict(id=2 * v + k, category_id=k + 1, video_id=v) for v in (1, 2, 3) for k in (0, 1)]
    annotations = [
        dict(
            id=100 * image["id"] + track["id"],
            image_id=image["id"],
            video_id=image["video_id"],
            track_id=track["id"],
            category_id=track["category_id"],
            bbox=[20 * (track["category_id"] - 1), 5, 15, 15],
            area=225,
            iscrowd=0,
        )
        for image in images
        for track in tracks
        if track["video_id"] == image["video_id"]
    ]
    content = dict(
        videos=[dict(id=v, name=f"v{v}", width=64, height=48) for v in (1, 2, 3)],
        images=images,
        tracks=tracks,
        annotations=annotations,
        categories=[dict(id=i + 1, name=n, frequency="fr"[i]) for i, n in enumerate(NAMES)],
    )
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(content))
    return path


def sample(video: int, t: int, vocabulary: Vocabulary, score: float = 0.9, jump: int = 0) -> dict:
    found = dict(
        bboxes=torch.tensor([[0.0, 5, 15, 20], [20.0, 5, 35, 20]]),
        scores=torch.tensor([score, 0.8]),
        labels=torch.tensor([0, 1]),
    )
    return dict(
        img_id=10 * video + t,
        video_id=video,
        frame_id=t,
        video_length=FRAMES,
        vocabulary=vocabulary.fingerprint,
        pred_instances=found,
        pred_track_instances=dict(found, instances_id=torch.tensor([0, 1 + jump * t])),
    )


def metric(ann_file, out_dir) -> TaoTrackMetric:
    return TaoTrackMetric(str(ann_file), str(ann_file), str(out_dir))


def feed(target: TaoTrackMetric, *videos: int, jump: int = 0) -> None:
    for video in videos:
        for t in range(FRAMES):
            target.process({}, [sample(video, t, target.vocabulary, jump=jump)])


def test_perfect_tracks_score_full_marks_and_broken_identities_do_not(ann_file, tmp_path):
    perfect = metric(ann_file, tmp_path / "a")
    feed(perfect, 1, 2, 3)
    scores = perfect.evaluate(9)
    for group in ("all", "base", "novel"):
        assert scores[f"tao/{group}/TETA"] == pytest.approx(100)
    broken = metric(ann_file, tmp_path / "b")
    feed(broken, 1, 2, 3, jump=1)
    scores = broken.evaluate(9)
    assert scores["tao/base/AssocA"] == pytest.approx(100)
    assert scores["tao/novel/AssocA"] < 40
    report = json.loads((tmp_path / "b" / "tao-ov.json").read_text())
    assert report["protocol"]["vocabulary"] == broken.vocabulary.fingerprint
    assert report["protocol"]["annotations_sha256"] == file_sha256(ann_file)
    assert report["protocol"]["provenance"]["category_vote"] == "count"


def test_detections_are_scored_too(ann_file, tmp_path):
    target = TaoTrackMetric(
        str(ann_file), str(ann_file), str(tmp_path / "c"), benchmarks=("tao", "lvis")
    )
    feed(target, 1, 2, 3)
    scores = target.evaluate(9)
    assert scores["tao/all/TrackAP"] == pytest.approx(100)
    assert scores["tao/all/AP"] == scores["tao/novel/AP"] == pytest.approx(100)
    written = {path.name for path in (tmp_path / "c").iterdir()}
    assert {"tao.json", "lvis.json", "tao_track.columns.safetensors"} <= written


def test_two_processes_write_the_bytes_of_one(ann_file, tmp_path):
    alone = metric(ann_file, tmp_path / "one")
    feed(alone, 1, 2, 3)
    alone.evaluate(9)
    first, second = (metric(ann_file, tmp_path / "two") for _ in range(2))
    first.begin("run")
    second.begin("run")
    feed(second, 3, 2)
    feed(first, 1)
    first.evaluate(9)
    for name in ("tao_track.json", "tao_bbox.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_interrupted_run_keeps_finished_videos_and_continues(ann_file, tmp_path):
    interrupted = metric(ann_file, tmp_path / "r")
    assert interrupted.begin("run") == frozenset()
    feed(interrupted, 1, 2)
    interrupted.process({}, [sample(3, 0, interrupted.vocabulary)])
    with pytest.raises(InputError, match=r"1 of 3 videos have no results"):
        interrupted.evaluate(9)
    again = metric(ann_file, tmp_path / "r")
    assert again.begin("run") == {1, 2}
    feed(again, 3)
    assert again.evaluate(9)["tao/all/TETA"] == pytest.approx(100)


def test_results_of_another_run_are_not_continued(ann_file, tmp_path):
    feed_one = metric(ann_file, tmp_path / "r")
    feed_one.begin("first checkpoint")
    feed(feed_one, 1)
    with pytest.raises(InputError, match="another run"):
        metric(ann_file, tmp_path / "r").begin("second checkpoint")


def test_a_full_disk_loses_only_the_running_video(ann_file, tmp_path, monkeypatch):
    target = metric(ann_file, tmp_path / "r")
    target.begin("run")
    feed(target, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            feed(target, 2)
    assert metric(ann_file, tmp_path / "r").begin("run") == {1}


def test_other_classes_and_impossible_scores_are_refused(ann_file, tmp_path):
    target = metric(ann_file, tmp_path / "r")
    wrong = sample(1, 0, Vocabulary.from_names(["dog", "cat"]))
    with pytest.raises(InputError, match=r"model\.vocabulary"):
        target.process({}, [wrong])
    target.process({}, [sample(1, 0, target.vocabulary)])
    with pytest.raises(InputError, match=r"Frame 1 of video 1: pred_track_instances\.scores"):
        target.process({}, [sample(1, 1, target.vocabulary, score=float("nan"))])


def test_only_the_running_video_is_in_memory(ann_file, tmp_path):
    target = metric(ann_file, tmp_path / "r")
    feed(target, 1, 2)
    assert not target._tracks and not target._detections and not target.results


def test_a_sampler_that_tears_videos_apart_is_refused(ann_file, tmp_path):
    """Every second frame, as a sampler of single images gives one of two processes."""
    target = metric(ann_file, tmp_path / "r")
    target.process({}, [sample(1, 0, target.vocabulary)])
    with pytest.raises(InputError, match=r"Frame 2 of video 1 came where frame 1 .*VideoSampler"):
        target.process({}, [sample(1, 2, target.vocabulary)])
    with pytest.raises(InputError, match="Frame 1 of video 2 came where frame 0 of video 2"):
        metric(ann_file, tmp_path / "s").process({}, [sample(2, 1, target.vocabulary)])


def change(ann_file, edit) -> None:
    content = json.loads(ann_file.read_text())
    edit(content)
    ann_file.write_text(json.dumps(content))


def test_results_for_another_annotation_file_are_not_continued(ann_file, tmp_path):
    first = metric(ann_file, tmp_path / "r")
    first.begin("run")
    feed(first, 1)
    change(ann_file, lambda content: content["annotations"].pop())
    with pytest.raises(InputError, match="another run"):
        metric(ann_file, tmp_path / "r").begin("run")


def test_a_video_without_frames_needs_no_results(ann_file, tmp_path):
    change(ann_file, lambda c: c["videos"].append(dict(c["videos"][0], id=9, name="empty")))
    target = metric(ann_file, tmp_path / "r")
    feed(target, 1, 2, 3)
    assert target.evaluate(9)["tao/all/TETA"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["red ball", "green cone"], r"'green cone' .* category id 2, which is 'blue cube' in"),
        ([*NAMES, "green cone"], r"'green cone' .* category id 3, which is not in .*gt\.json"),
    ],
)
def test_classes_that_the_annotations_mean_otherwise_are_refused(
    ann_file, tmp_path, names, message
):
    with pytest.raises(InputError, match=message):
        TaoTrackMetric(str(ann_file), names, str(tmp_path / "r")).begin("run")
    TaoTrackMetric(str(ann_file), ["Red_ball"], str(tmp_path / "r")).begin("run")


def judge(rank: int, folder: str, answers) -> None:
    """One of two processes; the first has all videos, and forgets one at first."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    target = metric(Path(folder) / "gt.json", Path(folder) / "r")
    for videos in ((1, 2), (3,)):
        if rank == 0:
            feed(target, *videos)
        try:
            answers.put((rank, target.evaluate(9)["tao/all/TETA"]))
        except InputError as error:
            answers.put((rank, str(error)))
    dist.destroy_process_group()


def test_every_process_hears_the_outcome_even_without_a_video(ann_file, tmp_path):
    """An idle process gets the same error and the same metrics, and nobody waits for ever."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    workers = [context.Process(target=judge, args=(r, str(tmp_path), answers)) for r in range(2)]
    for worker in workers:
        worker.start()
    heard = [answers.get(timeout=120) for _ in range(4)]
    for worker in workers:
        worker.join(timeout=30)
        assert worker.exitcode == 0
    for rank in range(2):
        error, points = (answer for who, answer in heard if who == rank)
        assert "1 of 3 videos have no results" in error
        assert points == pytest.approx(100)
