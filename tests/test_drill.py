"""Every verb that reads a file meets every hostile file of its kind: a sentence, and nothing else.

A fork runs the command with 4 GB and 30 seconds of processor time under an audit hook; programs
started, files written elsewhere, tracebacks and half-written files are faults. Of long lists every
fifth file is met; ``VOVTRACK_DRILL=all`` meets all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import drill
import hostile
import hostile_data
import numpy as np
import pytest
import yaml
from reader_seeds import LABELS, TRACKED
from recordings import moving, write_stacked

from vovtrack.evaluation import evaluate
from vovtrack.evaluation.reports.report import write_report

LONG = 40
DATA = Path(__file__).parent / "data/evaluation"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What the verbs import, imported once before they fork."""
    from vovtrack import load_tracker

    load_tracker("mini", device="cpu")


def meet(cases, folder, codes=(2,)):
    """Run ``(name, words)`` cases and collect every fault."""
    cases = list(cases)
    if len(cases) > LONG and os.environ.get("VOVTRACK_DRILL") != "all":
        cases = cases[::5]
    known = [path for path in folder.rglob("*") if path.is_file()]
    faults = {}
    for name, words in cases:
        outcome = drill.run([str(word) for word in words], folder)
        fault = outcome.fault(codes)
        left = drill.leftovers(folder, known)
        if fault or (left and outcome.code == 2):
            faults[name] = fault or f"left {left}"
        for path in left:
            Path(path).unlink()
    assert not faults, json.dumps(faults, indent=1)


def store(files, folder) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in files:
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    return paths


def test_robot_meets_recordings(tmp_path):
    pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
    work, points = ["--work", tmp_path / "w"], ["--points", "1,2"]
    cases = []
    for path in store(hostile_data.recordings(), tmp_path / "hostile"):
        cases += [
            (f"extract {path.name}", ["robot", "extract", path, *work]),
            (f"track {path.name}", ["robot", "track", path, *work, *points]),
            (f"check {path.name}", ["robot", "check", path, *work]),
            (f"write {path.name}", ["robot", "write", path, *work, "--out", tmp_path / "o"]),
        ]
    meet(cases, tmp_path)


def test_robot_meets_labels_and_results(tmp_path):
    pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
    recording = write_stacked(tmp_path / "a.h5", {"c": moving(3)})
    out = ["--out", tmp_path / "o"]
    cases = []
    for number, (name, content) in enumerate(hostile_data.json_files(LABELS)):
        folder, work = tmp_path / f"labels{number}/a", ["--work", tmp_path / f"labels{number}"]
        store([("c.json", content), ("extracted.json", b'{"cameras": ["c"]}')], folder)
        cv2.imwrite(str(folder / "c.png"), moving(1)[0])
        cases.append((f"label {name}", ["robot", "label", folder]))
        cases.append((f"track {name}", ["robot", "track", recording, *work]))
    for number, (name, content) in enumerate(hostile_data.json_files(TRACKED)):
        work = ["--work", tmp_path / f"results{number}"]
        store([("c_tracking_results.json", content)], tmp_path / f"results{number}/a")
        cases.append((f"write {name}", ["robot", "write", recording, *work, *out]))
        cases.append((f"check {name}", ["robot", "check", recording, *work]))
    meet(cases, tmp_path, codes=(0, 2))


def test_robot_meets_decisions(tmp_path):
    pytest.importorskip("h5py", reason="the extra 'hdf5' is not installed")
    recording = write_stacked(tmp_path / "a.h5", {"c": moving(3)})
    header = b"recording,check,decision,reasons\n"
    cases = []
    for number, content in enumerate(
        (b"", b"\xff\xfe", bytes(99), b"a,b\n", header + b"a,perhaps,,\n", header + b'a,"yes')
    ):
        work = tmp_path / str(number)
        store([("c_tracking_results.json", json.dumps(TRACKED).encode())], work / "a")
        store([("accepted.csv", content)], work)
        words = ["robot", "write", recording, "--work", work, "--out", tmp_path / "o"]
        cases.append((repr(content), words))
    meet(cases, tmp_path)


@pytest.fixture(scope="module")
def small():
    """A small honest pair of annotations and results."""
    truth = {
        "videos": [dict(id=1, name="v", width=64, height=48)],
        "images": [
            dict(id=i, video_id=1, frame_index=i, file_name=f"v/{i}.jpg", width=64, height=48)
            | dict(video="v", neg_category_ids=[], not_exhaustive_category_ids=[])
            for i in (1, 2)
        ],
        "categories": [dict(id=1, name="cat", synset="cat.n.01", frequency="r")],
        "tracks": [dict(id=1, category_id=1, video_id=1)],
        "annotations": [
            dict(id=i, image_id=i, video_id=1, track_id=1, category_id=1, bbox=[1, 2, 20, 30])
            | dict(area=600, iscrowd=0, segmentation=[])
            for i in (1, 2)
        ],
    }
    results = [
        dict(image_id=i, video_id=1, track_id=1, category_id=1, bbox=[1, 2, 20, 30], score=0.5)
        for i in (1, 2)
    ]
    return truth, results


@pytest.mark.parametrize("side", ["gt", "pred"])
def test_evaluate_meets_json_and_archives(side, small, tmp_path):
    truth, results = small
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "pred.json").write_text(json.dumps(results))
    honest = truth if side == "gt" else results
    files = [*hostile_data.json_files(honest), *hostile_data.packed_files()]
    paths = store(files, tmp_path / "hostile")
    other = {"gt": ["--pred", tmp_path / "pred.json"], "pred": ["--gt", tmp_path / "gt.json"]}
    out = ["--out", tmp_path / "o.json", "--html", tmp_path / "o.html"]
    cases = [
        (path.name, ["evaluate", "--benchmark", "tao-ov", f"--{side}", path, *other[side], *out])
        for path in paths
    ]
    # Some changes are harmless: a field that the benchmark does not read.
    meet(cases, tmp_path, codes=(0, 2))


def test_evaluate_meets_points(tmp_path):
    cases = [
        (path.name, ["evaluate", "--benchmark", "tapvid", "--gt", path, "--pred", path])
        for path in store(hostile_data.points(), tmp_path / "hostile")
    ]
    meet(cases, tmp_path)


def test_comparing_meets_altered_reports(tmp_path):
    report = evaluate("tao-ov", DATA / "tao_edge_gt.json.gz", DATA / "tao_edge_pred.json.gz")
    write_report(report, tmp_path / "honest.json")
    files = hostile_data.json_files(json.loads((tmp_path / "honest.json").read_text()))
    cases = [
        (path.name, ["evaluate", tmp_path / "honest.json", path, "--resamples", 2])
        for path in store(files, tmp_path / "hostile")
    ]
    meet(cases, tmp_path, codes=(0, 2))


def test_track_meets_pictures_and_videos(tmp_path):
    files = store(hostile_data.videos(), tmp_path / "hostile")
    for name, content in hostile_data.pictures():
        files += [store([(name, content)], tmp_path / "hostile" / Path(name).stem)[0].parent]
    cases = [(path.name, ["track", path, "--json", tmp_path / "o.json"]) for path in files]
    meet(cases, tmp_path)


def test_track_meets_class_lists_and_arguments(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), np.zeros((48, 64, 3), np.uint8))
    out = ["--json", tmp_path / "o.json"]
    cases = [
        (name, ["track", frames, "--classes", text, *out])
        for name, text in hostile_data.class_lists().items()
    ]
    for name, words in {
        "nan": ["--score-thr", "nan"],
        "two": ["--score-thr", "2"],
        "negative": ["--max-frames", "-1"],
        "batch": ["--batch-size", "0"],
        "device": ["--device", "cuda:99"],
        "amp": ["--amp", "fp8"],
        "unknown": ["--clases", "cat"],
        "config": ["--config", "\x1b[2J"],
    }.items():
        cases.append((name, ["track", frames, *words, *out]))
    meet(cases, tmp_path)


@pytest.mark.parametrize("verb", ["train", "test", "track", "inspect", "doctor"])
def test_configs_meet_every_verb(verb, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), np.zeros((48, 64, 3), np.uint8))
    weights = Path(__file__).parents[1] / "saved_models/mini/ovtrack_mini.safetensors"
    files = hostile.write_configs(tmp_path / "configs", tmp_path / "it_ran")
    for number, content in enumerate(MORE_CONFIGS):
        files.append(tmp_path / "configs" / f"more_{number}.yaml")
        files[-1].write_text(yaml.safe_dump({"_base_": str(MINI), **content}))
    words = {
        "train": ["train", "{}", "--work-dir", tmp_path / "work"],
        "test": ["test", "{}", weights, "--work-dir", tmp_path / "work"],
        "track": ["track", frames, "--config", "{}", "--json", tmp_path / "o.json"],
        "inspect": ["inspect", "config", "{}"],
        "doctor": ["doctor", "--checkpoint", weights, "--config", "{}"],
    }[verb]
    cases = [(path.name, [str(word).format(path) for word in words]) for path in files]
    meet(cases, tmp_path)
    assert not (tmp_path / "it_ran").exists()


MINI = Path(__file__).parents[1] / "configs/mini/ovtrack.py"
EVAL = "__import__('os').system('touch it_ran')"


def _detector(**changes):
    return dict(model=dict(detector=changes))


MORE_CONFIGS = [
    dict(
        model=dict(
            tracker=dict(
                _delete_=True,
                type="mmdet.StrongSORT",
                cmc=dict(type="mmdet.CameraMotionCompensation", warp_mode=EVAL),
            )
        )
    ),
    _detector(backbone=dict(type="mmdet.CameraMotionCompensation", warp_mode=EVAL)),
    _detector(rpn_head=dict(test_cfg=dict(nms=dict(type="breakpoint")))),
    dict(test_dataloader=dict(dataset=dict(ann_file="evil.pkl"))),
    dict(test_dataloader=dict(dataset=dict(proposal_file="evil.pickle"))),
    dict(custom_hooks=[dict(type="RFSearchHook", mode="fixed", rfstructure_file="fifo")]),
    dict(backend_args=dict(backend="memcached", sys_path=".")),
    dict(test_pipeline=[dict(type="LoadImageFromFile", file_client_args=dict(backend="petrel"))]),
    dict(compile=dict(backend="inductor", options={"cpp.cxx": "sh"})),
    dict(work_dir="/usr/x"),
    dict(visualizer=dict(vis_backends=[dict(type="DVCLiveVisBackend")])),
    dict(custom_imports=dict(imports=["this"])),
    dict(custom_imports=["x"]),
    dict(model=dict(type="")),
]


def _stores(folder):
    """Folders of observations whose header is not one."""
    header = dict(format=1, run="x", classes=["cat"], videos=["v"], thresholds=None)
    for name, content in hostile_data.json_files(header):
        path = folder / name.removesuffix(".json")
        store([("observations.json", content)], path)
        yield path


def test_replay_draw_and_prepare_meet_json(small, tmp_path):
    truth, results = small
    frames = tmp_path / "frames"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    cases = [(f"replay {path.name}", ["replay", path]) for path in _stores(tmp_path / "stores")]
    tracks = dict(video=str(frames), classes=["cat"], frames=[dict(frame_id=0, tracks=[])])
    row = dict(track_id=1, score=0.5, bbox=[1, 2, 3, 4]) | {"class": "cat"}
    tracks["frames"][0]["tracks"] = [row]
    for kind, honest in (("tracks", tracks), ("results", results)):
        words = ["--frames", frames] if kind == "tracks" else ["--gt", tmp_path / "gt.json"]
        for path in store(hostile_data.json_files(honest), tmp_path / kind):
            out = ["--out", tmp_path / "o.mp4"]
            cases.append((f"draw {kind} {path.name}", ["draw", "tracks", path, *words, *out]))
    for path in store(hostile_data.json_files(truth), tmp_path / "annotations"):
        cases.append((f"prepare {path.name}", ["prepare", "tao", path, "--out", tmp_path / "p"]))
        words = ["prepare", "check", path, frames, "--out", tmp_path / "m"]
        cases.append((f"check {path.name}", words))
    meet(cases, tmp_path, codes=(0, 1, 2))


def test_features_and_prompts_meet_archives_and_weights(small, tmp_path):
    (tmp_path / "gt.json").write_text(json.dumps(small[0]))
    cases = []
    for path in store(hostile_data.packed_files(), tmp_path / "packed"):
        words = [
            "features",
            "import",
            path,
            "--bank",
            tmp_path / "b",
            "--ann",
            tmp_path / "gt.json",
        ]
        cases.append((f"import {path.name}", [*words, "--regions", path]))
    for path in hostile.write_weights(tmp_path / "weights", tmp_path / "it_ran")[::6]:
        out = ["--classes", "cat", "--out", tmp_path / "o.safetensors"]
        cases.append((f"encode {path.name}", ["prompts", "encode", path, *out]))
        cases.append((f"convert {path.name}", ["convert", path, tmp_path / "o.safetensors"]))
        words = ["export", "--slim", path, tmp_path / "o.safetensors"]
        cases.append((f"export {path.name}", words))
    meet(cases, tmp_path)
    assert not (tmp_path / "it_ran").exists()
