"""Trackers on det.txt: files in, submission and scores out, and what is wrong with the files."""

from __future__ import annotations

import json
import shutil
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from mmengine.structures import InstanceData

from vovtrack.cli.main import main
from vovtrack.engine.packaged_trackers import find_tracker
from vovtrack.engine.replay import replay
from vovtrack.engine.replay_detections import replay_detections
from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.metrics.observations import annotations_sha256
from vovtrack.formats.bdd100k import CLASSES
from vovtrack.formats.bdd100k_videos import read_bdd100k
from vovtrack.formats.mot.detections import MotDetections
from vovtrack.formats.mot.folders import SequenceInfo, detection_rows, truth_rows
from vovtrack.formats.observations import ObservationHeader, ObservationStore, VideoObservations
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary

NUM_FRAMES = 12


def write_sequence(folder: Path, num_frames: int = NUM_FRAMES) -> Path:
    """Three objects that move apart; detections in another order, each frame with a weak one."""
    starts = np.array([[10.0, 10], [80, 60], [150, 20]])
    truth, found = [], []
    for frame in range(num_frames):
        corners = starts + frame * np.array([[2.0, 1], [-1, 1], [1, 2]])
        boxes = np.hstack([corners, corners + (30, 40)])
        truth.append(truth_rows(frame, [1, 2, 3], boxes, np.ones(3)))
        clutter = np.array([[5.0 + 17 * (frame % 9), 90, 12 + 17 * (frame % 9), 99]])
        scores = np.array([0.2, 0.7, 0.8, 0.9])
        found.append(detection_rows(frame, np.vstack([clutter, boxes[::-1]]), scores))
    (folder / "gt").mkdir(parents=True)
    (folder / "det").mkdir()
    (folder / "gt/gt.txt").write_text("".join(truth))
    (folder / "det/det.txt").write_text("".join(reversed(found)))
    info = SequenceInfo(folder.name, num_frames, 200, 120, 10)
    (folder / "seqinfo.ini").write_text(info.text())
    return folder


@pytest.fixture
def sequences(tmp_path):
    write_sequence(tmp_path / "sequences/A")
    write_sequence(tmp_path / "sequences/B", 7)
    return tmp_path / "sequences"


def test_detections_come_by_frame_and_best_first(sequences):
    detections = MotDetections(sequences)
    assert detections.videos == ("A", "B")
    frames = list(detections.frames("A"))
    assert len(frames) == NUM_FRAMES
    for frame, (boxes, scores) in enumerate(frames):
        np.testing.assert_allclose(scores, [0.9, 0.8, 0.7, 0.2])
        np.testing.assert_allclose(
            boxes[0], [10 + 2 * frame, 10 + frame, 40 + 2 * frame, 50 + frame]
        )


def test_one_command_compares_trackers(sequences, repository, tmp_path, capsys):
    trackers = ["iou", "sort", "bytetrack", "ocsort"]
    words = ["replay", str(sequences), "--out", str(tmp_path / "out"), "--tracker", *trackers]
    assert main(words) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    header = next(row for row in rows if row[:1] == ["tracker"])
    scores = {
        row[0]: dict(zip(header[2:], row[2:], strict=True)) for row in rows if row[1:2] == ["all"]
    }
    assert set(scores) == set(trackers)
    for name, found in scores.items():
        assert float(found["IDSW"]) == 0, name
        with zipfile.ZipFile(tmp_path / "out" / name / "submission.zip") as archive:
            assert archive.namelist() == ["A.txt", "B.txt"]
        report = evaluate("mot17", sequences, tmp_path / "out" / name / "submission.zip")
        assert f"{report['summary']['all']['HOTA']:.2f}" == found["HOTA"]


def test_only_the_best_boxes_are_tracked(sequences, tmp_path):
    scores = replay_detections(
        MotDetections(sequences), dict(type="IoUTracker"), tmp_path, max_boxes=3
    )
    assert scores["mot17/all/HOTA"] == pytest.approx(100) and scores["mot17/all/IDF1"] == 100


def test_a_grid_keeps_metrics_and_no_files(sequences, repository, tmp_path, capsys):
    words = ["replay", str(sequences), "--out", str(tmp_path / "out"), "--tracker", "iou"]
    assert main([*words, "--boxes", "1", "3", "--benchmark", "mot20"]) == 0
    assert "boxes" in capsys.readouterr().out
    folders = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert folders == ["iou,boxes=1", "iou,boxes=3"]
    assert sorted(p.name for p in (tmp_path / "out" / folders[0]).iterdir()) == [
        "metrics.json",
        "mot20.json",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,-1,1,2,3,4,nan,-1,-1,-1\n", r"det.txt: line 1 \(frame 1, id -1\): a number is not"),
        (
            "1,-1,1,2,3,4,0.5\n2,-1,1,2,-3,4,0.5\n",
            r"line 2 .*width and height must not be negative",
        ),
        ("13,-1,1,2,3,4,0.5\n", "expected a frame of 1 to 12"),
        ("1,-1,1,2,x,4,0.5\n", "det.txt, line 1: could not convert"),
        ("1,-1,1,2\n", "4 columns; expected frame,id,x,y,w,h,conf"),
    ],
)
def test_broken_detections_are_named_by_line(sequences, text, reason):
    (sequences / "A/det/det.txt").write_text(text)
    with pytest.raises(InputError, match=reason):
        list(MotDetections(sequences).frames("A"))


def test_an_empty_file_and_an_empty_sequence(sequences, tmp_path):
    (sequences / "A/det/det.txt").write_text("")
    write_sequence(sequences / "C", 0)
    scores = replay_detections(MotDetections(sequences), dict(type="IoUTracker"), tmp_path)
    assert 0 < scores["mot17/all/HOTA"] < 100
    assert sorted(path.name for path in (tmp_path / "tracks").iterdir()) == [
        "A.txt",
        "B.txt",
        "C.txt",
    ]
    (sequences / "B/det/det.txt").unlink()
    with pytest.raises(InputError, match="sequence 'B' has no det/det.txt"):
        MotDetections(sequences)


def test_a_tracker_that_needs_embeddings_is_refused(sequences, repository, tmp_path):
    with pytest.raises(InputError, match="links by 'embeds', which these detections do not have"):
        replay_detections(MotDetections(sequences), find_tracker("ovtracker"), tmp_path)


@pytest.fixture
def mot15(tmp_path) -> Path:
    """The two sequences of MOT15 in the package motmetrics; detections are its results."""
    spec = find_spec("motmetrics")
    if spec is None:
        pytest.skip("pip install --no-deps motmetrics, which brings two sequences of MOT15")
    data = Path(spec.submodule_search_locations[0]) / "data"
    for name, num_frames in (("TUD-Campus", 71), ("TUD-Stadtmitte", 179)):
        folder = tmp_path / "mot15" / name
        for source, target in (("gt", "gt/gt.txt"), ("test", "det/det.txt")):
            (folder / target).parent.mkdir(parents=True)
            shutil.copy(data / name / f"{source}.txt", folder / target)
        # MOT15 has no classes: everybody is a pedestrian.
        rows = (folder / "gt/gt.txt").read_text().splitlines()
        cells = [row.split(",") for row in rows]
        text = "".join(",".join([*row[:7], "1", "1"]) + "\n" for row in cells)
        (folder / "gt/gt.txt").write_text(text)
        (folder / "seqinfo.ini").write_text(SequenceInfo(name, num_frames, 640, 480, 25).text())
    return tmp_path / "mot15"


def test_real_results_have_their_known_scores(mot15, tmp_path):
    for name in ("TUD-Campus", "TUD-Stadtmitte"):
        (tmp_path / "results").mkdir(exist_ok=True)
        shutil.copy(mot15 / name / "det/det.txt", tmp_path / "results" / f"{name}.txt")
    scores = evaluate("mot17", mot15, tmp_path / "results")["summary"]["all"]
    expected = dict(HOTA=39.9957, MOTA=55.5116, IDF1=62.4296)
    assert {k: scores[k] for k in expected} == pytest.approx(expected, abs=1e-4)
    assert scores["IDSW"] == 14


@pytest.mark.parametrize("tracker", ["iou", "sort", "bytetrack", "ocsort"])
def test_real_boxes_are_tracked(mot15, tmp_path, repository, tracker):
    """The results of a weak tracker, linked again without its ids; it has no scores (-1)."""
    if tracker != "iou":
        with pytest.raises(InputError, match="linked none of 971 detections"):
            replay_detections(MotDetections(mot15), find_tracker(tracker), tmp_path)
    for path in mot15.glob("*/det/det.txt"):
        path.write_text(path.read_text().replace(",-1,-1,-1,-1\n", ",1,-1,-1,-1\n"))
    scores = replay_detections(MotDetections(mot15), find_tracker(tracker), tmp_path)
    assert 50 < scores["mot17/all/MOTA"] < 70 and 30 < scores["mot17/all/HOTA"] < 60


@pytest.fixture
def scalabel(realdata, tmp_path) -> ObservationStore:
    """What a real tracker found in a clip of BDD100K, as a test would have recorded it."""
    folder = realdata / "scalabel_bdd"
    (gt,) = read_bdd100k(truth := folder / "track_sample_anns.json").videos
    (found,) = read_bdd100k(folder / "track_predictions.json").videos
    assert gt.numbers.tolist() == found.numbers.tolist() == list(range(202))
    evaluator = dict(type="BddTrackMetric")
    classes = Vocabulary.load(CLASSES)
    header = ObservationHeader(
        run="",
        names=classes.names,
        category_ids=classes.category_ids,
        novel=(False,) * len(CLASSES),
        ann_file=str(truth),
        annotations_sha256=annotations_sha256(truth, evaluator),
        evaluator=evaluator,
    )
    arrays = dict(
        image_ids=np.arange(202),
        counts=found.counts,
        bboxes=found.bboxes,
        scores=np.ones(len(found.bboxes), np.float32),
        labels=found.labels,
        embeds=np.eye(1 + found.track_ids.max(), dtype=np.float32)[found.track_ids],
    )
    store = ObservationStore.start(tmp_path / "store", header)
    store.write(VideoObservations(0, arrays))
    return store


class KeepsIds:
    """A tracker that finds the ids that the recorded embeddings spell."""

    fields = ("embeds",)

    def reset(self) -> None:
        pass

    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        instances.instances_id = instances.embeds.argmax(dim=1)
        return instances


def test_a_real_clip_passes_reader_replay_and_evaluator(scalabel, realdata, tmp_path, monkeypatch):
    """What comes out has the scores that Scalabel computes on what went in."""
    monkeypatch.setitem(MODELS.module_dict, "KeepsIds", KeepsIds)
    replay(scalabel, dict(type="KeepsIds"), tmp_path / "out")
    truth = realdata / "scalabel_bdd/track_sample_anns.json"
    found = evaluate("bdd100k", truth, tmp_path / "out/submission.zip")["summary"]
    known = dict(mMOTA=24.3242, mIDF1=32.2478, FP=126, FN=942, IDSW=45)
    assert {k: found["all"][k] for k in known} == pytest.approx(known, abs=1e-3)
    pooled = [found["overall"][name] for name in ("mMOTA", "mIDF1")]
    assert pooled == pytest.approx([64.2007, 71.0107], abs=1e-3)


def test_trackers_on_a_real_clip(scalabel, repository, tmp_path, capsys):
    trackers = ["iou", "sort", "bytetrack", "ocsort"]
    words = ["replay", str(scalabel.folder), "--out", str(tmp_path / "out"), "--tracker", *trackers]
    assert main(words) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    header = next(row for row in rows if row[:1] == ["tracker"])
    found = {
        row[0]: dict(zip(header[2:], map(float, row[2:5]), strict=False))
        for row in rows
        if row[1:2] == ["overall"]
    }
    assert set(found) == set(trackers)
    for name, scores in found.items():
        assert scores["mMOTA"] > 40 and scores["mIDF1"] > 40, name


@pytest.mark.parametrize(
    "evaluator",
    [
        ["BddTrackMetric"],
        dict(type="os.system"),
        dict(type="TaoTrackMetric"),
        dict(type="BddTrackMetric", reader="bdd100k"),
        dict(type="BddTrackMetric", reader=dict(format="os.system")),
        dict(type="BddTrackMetric", reader=dict(format="bdd100k", pattern="*")),
    ],
)
def test_a_store_builds_no_other_parts(scalabel, tmp_path, evaluator):
    path = scalabel.folder / "observations.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | dict(evaluator=evaluator)))
    with pytest.raises(
        InputError, match="evaluator that does not exist|no format|no opt|is damaged"
    ):
        replay(ObservationStore(scalabel.folder), dict(type="IoUTracker"), tmp_path / "out")
