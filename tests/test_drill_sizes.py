"""The drill's second half: configs that ask for too much, and verbs that mostly write.

The last test compares the verbs of the command line with those of both halves.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
from pathlib import Path

import cv2
import hostile
import hostile_data
import hostile_sizes
import numpy as np
import pytest
import yaml
from hostile_sizes import MINI
from test_drill import meet, store, warm  # noqa: F401  the fixture

from vovtrack.cli.main import build_parser

WEIGHTS = MINI.parents[1] / "saved_models/mini/ovtrack_mini.safetensors"
PARTS = ("test_drill.py", "test_drill_sizes.py")
pytestmark = pytest.mark.slow


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), np.zeros((48, 64, 3), np.uint8))
    return folder


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "gt.json"
    category = dict(id=1, name="cat", synset="cat.n.01", frequency="r")
    image = dict(id=1, file_name="0.png", width=64, height=48)
    box = dict(id=1, image_id=1, category_id=1, bbox=[1, 2, 20, 30], area=600, iscrowd=0)
    content = dict(images=[image], categories=[category], annotations=[box | dict(segmentation=[])])
    path.write_text(json.dumps(content))
    return path


def test_sizes_meet_every_verb_that_reads_a_config(tmp_path, frames, truth):
    out = tmp_path / "out"
    verbs = {
        "train": ["train", "{}", "--work-dir", out],
        "test": ["test", "{}", WEIGHTS, "--work-dir", out],
        "track": ["track", frames, "--config", "{}", "--json", tmp_path / "o.json"],
        "doctor": ["doctor", "--checkpoint", WEIGHTS, "--config", "{}"],
        "export": ["export", "--onnx", out, "--config", "{}"],
        "draw": ["draw", "states", frames, "--config", "{}", "--checkpoint", WEIGHTS, "--out", out],
        "prompts": ["prompts", "train", "{}", "--work-dir", out],
        "flops": ["inspect", "flops", "{}"],
        "data": ["inspect", "data", "{}", "--out", out],
        "config": ["inspect", "config", "{}"],
        "proposals": ["features", "proposals", "{}", WEIGHTS, "--ann", truth, "--images", frames],
    }
    verbs["proposals"] += ["--out", tmp_path / "o.safetensors"]
    paths = list(hostile_sizes.write_sizes(tmp_path / "configs"))
    cases = [
        (f"{verb} {path.name}", [str(word).format(path) for word in words])
        # Each verb meets other configs, and all verbs together each of them.
        for offset, (verb, words) in enumerate(verbs.items())
        for path in paths[offset :: len(verbs)]
    ]
    meet(cases, tmp_path)


def test_clips_that_a_config_names_are_measured(tmp_path, frames, truth):
    importlib.import_module("open_clip")  # once, before the forks
    cases = []
    pretrained = str(MINI.parents[1] / "saved_models/mini/clip_mini.safetensors")
    for name, content in hostile_sizes.CLIPS.items():
        clip = store([(f"{name}.json", json.dumps(content).encode())], tmp_path / "clips")[0]
        path = tmp_path / "clips" / f"{name}.yaml"
        part = dict(model=str(clip), pretrained=pretrained, cache_dir=None)
        model = dict(detector=dict(roi_head=dict(classifier=dict(text_encoder=part))))
        path.write_text(yaml.safe_dump({"_base_": str(MINI / "ovtrack.py"), "model": model}))
        words = ["track", frames, "--config", path, "--classes", "new", "--json", tmp_path / "o"]
        cases.append((f"track {name}", words))
        learn = tmp_path / "clips" / f"learn_{name}.yaml"
        base = {"_base_": str(MINI / "prompts.py"), "model": dict(clip=part)}
        learn.write_text(yaml.safe_dump(base))
        cases.append((f"prompts {name}", ["prompts", "train", learn, "--work-dir", tmp_path / "w"]))
        bank = ["--bank", tmp_path / "b", "--ann", truth, "--images", frames, "--clip", clip]
        bank += ["--clip-weights", pretrained]
        words = ["features", "extract", *bank, "--annotated", "all"]
        cases.append((f"extract {name}", words))
        cases.append((f"verify {name}", ["features", "verify", *bank]))
    meet(cases, tmp_path)


def test_writing_verbs_meet_arguments(tmp_path, frames, truth):
    full = tmp_path / "full"
    full.mkdir()
    (full / "kept.txt").write_text("kept")
    link = tmp_path / "link"
    link.symlink_to(full)
    synth = ["synth", "--size", "tiny", "--out"]
    boxes = ["synth", "--boxes-only", "--out"]
    videos = ["synth", "--format", "tapvid", "--out"]
    publish = ["publish", WEIGHTS, "--repo"]
    cases = [
        ("full folder", [*synth, full]),
        ("link", [*synth, link]),
        ("file", [*synth, truth, "--force"]),
        ("device", [*synth, "/dev/null", "--force"]),
        ("read only", [*synth, "/proc/world"]),
        ("seed", [*synth, tmp_path / "w", "--seed", "-1"]),
        ("huge seed", [*boxes, tmp_path / "w", "--seed", "-9"]),
        ("workers", [*synth, tmp_path / "w", "--workers", "0"]),
        ("videos", [*boxes, tmp_path / "w", "--videos", "-1"]),
        ("size", ["synth", "--size", "huge", "--out", tmp_path / "w"]),
        ("full folder of videos", [*videos, full]),
        ("videos in a file", [*videos, truth, "--force"]),
        ("videos on a device", [*videos, "/dev/null"]),
        ("format", ["synth", "--format", "../mot", "--out", tmp_path / "w"]),
        ("huge frames", [*videos, tmp_path / "w", "--width", "1000000", "--height", "1000000"]),
        ("photos without pictures", ["synth", "--photos", full, "--out", tmp_path / "w"]),
        ("photos in a file", ["synth", "--photos", truth, "--out", tmp_path / "w"]),
        ("photos and sample", ["synth", "--photos", full, "--sample", "--out", tmp_path / "w"]),
        ("endless video", [*videos, tmp_path / "w", "--frames", "1000000000"]),
        ("endless set", [*videos, tmp_path / "w", "--videos", "1000000000"]),
        ("repo", [*publish, "../../etc", "--dry-run", full]),
        ("repo markup", [*publish, "a/b\n---\nlicense: x", "--dry-run", tmp_path / "c"]),
        ("license", [*publish, "a/b", "--license", "x\nevil: y", "--dry-run", tmp_path / "c"]),
        ("publish pickle", ["publish", tmp_path / "a.pth", "--repo", "a/b"]),
        ("publish to a file", [*publish, "a/b", "--dry-run", truth]),
        ("publish to a device", [*publish, "a/b", "--dry-run", "/dev/null"]),
        ("endpoint", [*publish, "a/b", "--endpoint", "file:///etc/passwd"]),
        ("download", ["download", "../../etc/passwd", "--to", tmp_path]),
        ("download size", ["download", "--all", "--max-size", "nan", "--to", tmp_path]),
        ("every", ["prepare", "frames", frames, "--out", tmp_path / "p", "--every", "0"]),
        ("quality", ["prepare", "frames", frames, "--out", tmp_path / "p", "--quality", "900"]),
    ]
    meet(cases, tmp_path)
    assert [p.name for p in full.iterdir()] == ["kept.txt"]


def test_the_other_verbs_meet_hostile_files(tmp_path, frames, truth):
    report = ["publish", WEIGHTS, "--repo", "a/b", "--dry-run", tmp_path / "c", "--report"]
    cases = [(f"publish {p.name}", [*report, p]) for p in _json(tmp_path / "reports", {})]
    for path in _json(tmp_path / "annotations", json.loads(truth.read_text())):
        out = ["--out", tmp_path / "o.json"]
        cases.append((f"merge {path.name}", ["prepare", "merge", path, truth, *out]))
        words = ["prepare", "pairs", path, frames, "--out", tmp_path / "p", "--workers", "1"]
        cases.append((f"pairs {path.name}", words))
    for path in store(hostile_data.videos(), tmp_path / "videos"):
        words = ["prepare", "frames", path, "--out", tmp_path / "f", "--workers", "1"]
        cases.append((f"frames {path.name}", words))
    for path in hostile.write_weights(tmp_path / "weights", tmp_path / "it_ran")[::6]:
        out = ["--out", tmp_path / "o.safetensors"]
        cases.append((f"ensemble {path.name}", ["prompts", "ensemble", path, path, *out]))
        publish = ["publish", path, "--repo", "a/b", "--dry-run", tmp_path / "c"]
        cases.append((f"publish {path.name}", publish))
    for name, content in hostile_data.json_files(dict(mode="train", epoch=1, loss=0.5)):
        folder = tmp_path / "runs" / name
        store([("20260101_000000.json", content)], folder / "vis_data")
        cases.append((f"logs {name}", ["inspect", "logs", folder]))
    meet(cases, tmp_path, codes=(0, 1, 2))
    assert not (tmp_path / "it_ran").exists()


def _json(folder, honest):
    return store(hostile_data.json_files(honest), folder)


def test_no_verb_is_forgotten():
    lists = [
        [word.value for word in node.elts[:2] if isinstance(word, ast.Constant)]
        for part in PARTS
        for node in ast.walk(ast.parse((Path(__file__).parent / part).read_text()))
        if isinstance(node, ast.List)
    ]
    met = {tuple(words[: len(verb)]) for words in lists for verb in verbs_of(build_parser())}
    assert set(verbs_of(build_parser())) <= met


def verbs_of(parser: argparse.ArgumentParser, before: tuple[str, ...] = ()) -> list[tuple]:
    """All verbs, with their sub-verbs where they have some."""
    inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not inner:
        return [before]
    choices = inner[0].choices.items()
    return [verb for name, child in choices for verb in verbs_of(child, (*before, name))]
