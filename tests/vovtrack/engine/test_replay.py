"""Trackers on stored detections: equal to the running model, and comparable."""

from __future__ import annotations

import json
import shutil

import pytest

from vovtrack.cli.main import main
from vovtrack.engine import run as launch
from vovtrack.engine.packaged_trackers import find_tracker
from vovtrack.engine.replay import replay
from vovtrack.errors import InputError
from vovtrack.formats.observations import ObservationStore

CONFIG = "configs/mini/ovtrack.py"
CHECKPOINT = "saved_models/mini/ovtrack_mini.safetensors"


def record(world, folder, *options: str) -> dict[str, float]:
    """Test the shipped mini tracker on the tiny world and keep its observations."""
    return launch.test(
        CONFIG,
        CHECKPOINT,
        work_dir=folder / "work",
        observations=folder / "observations",
        eval_options=[f"resfile_path={folder / 'online'}"],
        cfg_options=[
            f"test_dataloader.dataset.data_root={world}",
            "test_dataloader.num_workers=0",
            "test_dataloader.persistent_workers=False",
            f"test_evaluator.ann_file={world / 'tao/annotations/validation.json'}",
            *options,
        ],
    )


@pytest.fixture(scope="module")
def online(world, tmp_path_factory):
    """Folder of a recorded test, and its metrics."""
    folder = tmp_path_factory.mktemp("r")
    with pytest.MonkeyPatch.context() as patch:
        from tests.places import ROOT

        patch.chdir(ROOT)
        return folder, record(world, folder)


@pytest.fixture
def store(online) -> ObservationStore:
    return ObservationStore(online[0] / "observations")


def test_replay_equals_the_online_run_byte_by_byte(online, store, repository, tmp_path):
    folder, metrics = online
    assert replay(store, find_tracker(CONFIG), tmp_path) == metrics
    for name in ("tao_track.json", "tao_bbox.json"):
        written = (tmp_path / name).read_bytes()
        assert written == (folder / "online" / name).read_bytes()
    assert len(json.loads(written)) > 50


def test_another_tracker_gives_other_tracks_of_the_same_detections(online, store, tmp_path):
    folder, metrics = online
    iou = replay(store, dict(type="IoUTracker"), tmp_path)
    assert iou["tao/all/AssocA"] != metrics["tao/all/AssocA"]
    assert (tmp_path / "tao_bbox.json").read_bytes() == (
        folder / "online/tao_bbox.json"
    ).read_bytes()


def test_top_probabilities_belong_to_the_detections(store):
    for video_id in store.videos:
        arrays = store.read(video_id).arrays
        assert arrays["top_scores"].shape == (len(arrays["scores"]), 5)
        assert (arrays["top_labels"][:, 0] == arrays["labels"]).all()
        assert (arrays["top_scores"][:, 0] == arrays["scores"]).all()
        assert (arrays["top_scores"][:, :-1] >= arrays["top_scores"][:, 1:]).all()


def test_an_interrupted_replay_resumes(online, store, repository, tmp_path, monkeypatch):
    read, seen = ObservationStore.read, []

    def fail_at_the_third(self, video_id):
        seen.append(video_id)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return read(self, video_id)

    monkeypatch.setattr(ObservationStore, "read", fail_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        replay(store, find_tracker(CONFIG), tmp_path)
    with pytest.raises(InputError, match="unfinished results of another run"):
        replay(store, dict(type="IoUTracker"), tmp_path)
    seen[:] = range(3)
    assert replay(store, find_tracker(CONFIG), tmp_path) == online[1]
    assert len(seen) - 3 == len(store.videos) - 2


def test_one_command_compares_trackers(store, repository, tmp_path, capsys):
    trackers = ["ovtracker", "qdtrack", "qdtrack_tao", "iou", "sort", "bytetrack", "ocsort"]
    words = ["replay", str(store.folder), "--out", str(tmp_path), "--tracker", *trackers]
    assert main(words) == 0
    table = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in table if line.split()[:2] in [[t, "all"] for t in trackers]]
    assert [row[0] for row in rows] == trackers
    assert len({tuple(row[2:]) for row in rows}) == len(trackers)
    for tracker in trackers:
        assert (tmp_path / tracker / "tao_track.json").is_file()


def test_annotations_of_other_content_are_refused(store, world, tmp_path):
    other = tmp_path / "gt.json"
    other.write_text((world / "tao/annotations/validation.json").read_text() + " ")
    with pytest.raises(InputError, match="is not the annotation file"):
        replay(store, dict(type="IoUTracker"), tmp_path / "out", other)
    with pytest.raises(InputError, match="are not there: name the file with --gt"):
        replay(store, dict(type="IoUTracker"), tmp_path / "out", tmp_path / "none.json")


def test_thresholds_above_all_scores_are_an_error(store, repository, tmp_path):
    tracker = find_tracker("bytetrack", ["model.tracker.tracker.init_track_thr=2.0"])
    with pytest.raises(InputError, match="linked none of .* set them with --cfg-options"):
        replay(store, tracker, tmp_path)


def test_wrong_words_are_answered(store, repository, tmp_path, capsys):
    assert main(["replay", str(tmp_path / "none")]) == 2
    assert "holds no observations" in capsys.readouterr().err
    assert main(["replay", str(store.folder), "--tracker", "bytetrak"]) == 2
    assert "Trackers by name: bytetrack, iou," in capsys.readouterr().err
    assert main(["replay", str(store.folder), "--tracker", "configs/mini/detector.py"]) == 2
    assert "has no model.tracker" in capsys.readouterr().err
    assert main(["replay", str(store.folder), "--tracker", "iou", "iou"]) == 2
    assert "same file name" in capsys.readouterr().err


def test_a_detector_has_nothing_to_replay(repository, tmp_path):
    with pytest.raises(InputError, match="needs a config that tests a tracker"):
        launch.test(
            "configs/mini/detector.py", CHECKPOINT, work_dir=tmp_path, observations=tmp_path / "o"
        )


def test_fewer_boxes_are_those_of_a_test_with_fewer_boxes(store, world, repository, tmp_path):
    record(world, tmp_path, "model.test_cfg.rcnn.max_per_img=3")
    replay(store, find_tracker(CONFIG), tmp_path / "three", max_boxes=3)
    for name in ("tao_track.json", "tao_bbox.json"):
        expected = (tmp_path / "online" / name).read_bytes()
        assert (tmp_path / "three" / name).read_bytes() == expected
        assert expected != (store.folder.parent / "online" / name).read_bytes()


def test_a_grid_is_a_table_and_continues(store, repository, tmp_path, capsys):
    out, table = tmp_path / "out", tmp_path / "grid.csv"
    words = ["replay", str(store.folder), "--out", str(out), "--csv", str(table), "--grid"]
    grid = ["model.tracker.match_score_thr=0.2,0.6", "model.tracker.memo_frames=1,10"]
    assert main([*words, *grid, "--boxes", "2", "30"]) == 0
    rows = [line.split(",") for line in table.read_text().splitlines()]
    assert rows[0][:5] == ["tracker", "match_score_thr", "memo_frames", "boxes", "classes"]
    settings = {tuple(row[1:4]) for row in rows[1:]}
    assert settings == {(a, b, c) for a in ("0.2", "0.6") for b in ("1", "10") for c in ("2", "30")}
    assert len({tuple(row[5:]) for row in rows if row[4] == "all"}) > 3, "settings matter"
    assert rows[1][1] in capsys.readouterr().out
    (folder,) = out.glob("ovtracker,match_score_thr=0.2,memo_frames=1,boxes=2")
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "tao-ov.json"]

    written = {path: path.stat().st_mtime_ns for path in out.glob("*/tao-ov.json")}
    assert main([*words, *grid, "--boxes", "2", "30"]) == 0
    assert {path: path.stat().st_mtime_ns for path in written} == written, "nothing ran again"
    assert [line.split(",") for line in table.read_text().splitlines()] == rows
    changed = ["--cfg-options", "model.tracker.momentum_embed=0.9"]
    assert main([*words, *grid, "--boxes", "2", "30", *changed]) == 0
    assert all(path.stat().st_mtime_ns != time for path, time in written.items())


def test_grids_that_cannot_be(store, repository, tmp_path, capsys):
    words = ["replay", str(store.folder), "--out", str(tmp_path), "--grid"]
    assert main([*words, "model.tracker.memo_frames"]) == 2
    assert "expected KEY=VALUE,VALUE" in capsys.readouterr().err
    assert main([*words, "model.tracker.memo=1,2"]) == 2
    assert "Unknown option 'model.tracker.memo'" in capsys.readouterr().err
    assert main([*words, "model.tracker.memo_frames=1", "--format-only"]) == 2
    assert "leave --format-only out" in capsys.readouterr().err


def test_observations_of_several_checkpoints_are_compared(store, repository, tmp_path, capsys):
    other = tmp_path / "epoch_2"
    shutil.copytree(store.folder, other)
    words = ["replay", str(store.folder), str(other), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:3] == ["observations", "tracker", "classes"]
    rows = {line[0]: line[1:] for line in lines if "all" in line[:3]}
    assert rows["observations"] == rows["epoch_2"]
