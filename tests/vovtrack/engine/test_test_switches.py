"""Switches of a test: several views of an image, pictures of the results."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vovtrack.engine import run as launch
from vovtrack.engine.weights.checkpoint import load_weights
from vovtrack.errors import InputError

MINI = "saved_models/mini/ovtrack_mini.safetensors"
LOADER = ["test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"]


@pytest.fixture(scope="module")
def detector(tmp_path_factory, repo_root) -> Path:
    """The detector inside of the shipped mini tracker."""
    weights = load_weights(repo_root / MINI)
    path = tmp_path_factory.mktemp("d") / "detector.pth"
    inside = {k: v for k, v in weights.items() if k.startswith("detector.")}
    torch.save({k.removeprefix("detector."): v for k, v in inside.items()}, path)
    return path


def detect(world: Path, detector: Path, out: Path, *options: str, **switches) -> dict[int, list]:
    """Boxes and scores, best first, by image."""
    launch.test(
        "configs/mini/detector.py",
        detector,
        work_dir=out / "work",
        format_only=True,
        eval_options=[f"resfile_path={out}"],
        cfg_options=[
            *LOADER,
            f"test_dataloader.dataset.data_root={world}/",
            f"test_evaluator.ann_file={world}/lvis/annotations/val.json",
            *options,
        ],
        **switches,
    )
    found: dict[int, list] = {}
    for row in json.loads((out / "bbox.json").read_text()):
        found.setdefault(row["image_id"], []).append([*row["bbox"], row["score"]])
    return found


def assert_equal(first: dict[int, list], second: dict[int, list]) -> None:
    assert first.keys() == second.keys() and first
    for image in first:
        rows = [np.array(sorted(found[image], key=lambda r: -r[4])) for found in (first, second)]
        np.testing.assert_allclose(*rows, atol=0.02)


@pytest.fixture(scope="module")
def plain(world, detector, tmp_path_factory, repo_root) -> dict[int, list]:
    """What the detector finds without any switch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repo_root)
        return detect(world, detector, tmp_path_factory.mktemp("plain"))


@pytest.mark.slow
def test_one_view_is_the_plain_test(plain, world, detector, repository, tmp_path):
    one = ["tta.size_factors=[1.0]", "tta.mirror=False"]
    assert_equal(plain, detect(world, detector, tmp_path / "one", *one, tta=True))


@pytest.mark.slow
def test_folded_norms_give_the_same_boxes(plain, world, detector, repository, tmp_path):
    assert_equal(plain, detect(world, detector, tmp_path / "folded", fuse_conv_bn=True))


def test_without_a_compiler_the_switch_is_refused(world, repository, tmp_path):
    words = ["test", "configs/mini/ovtrack.py", MINI, "--compile", "--work-dir", str(tmp_path)]
    words += ["--eval-options", f"resfile_path={tmp_path}", "--cfg-options", *LOADER]
    words += [f"test_dataloader.dataset.data_root={world}"]
    words += [f"test_evaluator.ann_file={world / 'tao/annotations/validation.json'}"]
    done = subprocess.run(
        [sys.executable, "-m", "vovtrack", *words],
        env={**os.environ, "CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "install a C++ compiler" in done.stderr and "no-such-compiler" in done.stderr


@pytest.mark.slow
def test_mixed_precision_gives_nearly_the_same_scores(plain, world, detector, repository, tmp_path):
    mixed = detect(world, detector, tmp_path / "mixed", amp="bf16")
    best = [
        {image: max(row[-1] for row in rows) for image, rows in f.items()} for f in (plain, mixed)
    ]
    differences = [
        abs(best[0][image] - best[1][image]) for image in best[0].keys() & best[1].keys()
    ]
    assert 0 < np.mean(differences) < 0.02


@pytest.mark.slow
def test_a_mirrored_image_has_mirrored_boxes(world, detector, repository, tmp_path):
    mirrored = tmp_path / "mirrored"
    shutil.copytree(world / "lvis", mirrored / "lvis")
    for path in (mirrored / "lvis/images").rglob("*.jpg"):
        cv2.imwrite(str(path.with_suffix(".png")), cv2.imread(str(path))[:, ::-1])
        path.with_suffix(".png").rename(path)
    straight = mirrored.with_name("straight")
    shutil.copytree(world / "lvis", straight / "lvis")
    for path in (straight / "lvis/images").rglob("*.jpg"):
        cv2.imwrite(str(path.with_suffix(".png")), cv2.imread(str(path)))
        path.with_suffix(".png").rename(path)
    width = 256
    there = detect(straight, detector, tmp_path / "a", "tta.size_factors=[1.0]", tta=True)
    back = detect(mirrored, detector, tmp_path / "b", "tta.size_factors=[1.0]", tta=True)
    flipped = {
        image: [[width - x - w, y, w, h, score] for x, y, w, h, score in rows]
        for image, rows in back.items()
    }
    assert_equal(there, flipped)


def test_what_cannot_be_seen_in_several_views(repository, detector, tmp_path):
    with pytest.raises(InputError, match="this config tests a tracker"):
        launch.test("configs/mini/ovtrack.py", MINI, tta=True, work_dir=tmp_path)
    with pytest.raises(InputError, match="add --eval bbox"):
        launch.test("configs/lvis/detpro_ens_20e.py", detector, tta=True, work_dir=tmp_path)


def track(world: Path, out: Path, *options: str, **switches) -> Path:
    """Test the mini tracker on the videos of a world; the folder of its results."""
    launch.test(
        "configs/mini/ovtrack.py",
        MINI,
        work_dir=out / "work",
        eval_options=[f"resfile_path={out / 'results'}"],
        cfg_options=[
            *LOADER,
            f"test_dataloader.dataset.data_root={world}",
            f"test_evaluator.ann_file={world / 'tao/annotations/validation.json'}",
            *options,
        ],
        **switches,
    )
    return out / "results"


@pytest.mark.slow
def test_frames_at_once_have_the_tracks_of_frames_in_turn(world, repository, tmp_path):
    """Numbers agree up to rounding: a larger product of matrices adds in another order."""
    files = [
        track(world, tmp_path / name, f"test_dataloader.batch_size={name}", format_only=True)
        for name in ("1", "3")
    ]
    found = [json.loads((folder / "tao_track.json").read_text()) for folder in files]
    ids = [[(r["image_id"], r["track_id"], r["category_id"]) for r in rows] for rows in found]
    assert ids[0] == ids[1] and len(set(ids[0])) > 50
    for ours, theirs in zip(*found, strict=True):
        numbers = [[*row["bbox"], row["score"]] for row in (ours, theirs)]
        np.testing.assert_allclose(*numbers, atol=1e-3)


@pytest.mark.slow
def test_results_are_drawn_while_testing(world, repository, tmp_path):
    def draw(folder: str, **switches) -> dict[str, np.ndarray]:
        track(world, tmp_path / folder, show_dir=tmp_path / folder, **switches)
        pictures = sorted((tmp_path / folder).rglob("*.jpg"))
        return {str(p.relative_to(tmp_path / folder)): cv2.imread(str(p)) for p in pictures}

    drawn, empty = draw("drawn"), draw("empty", show_score_thr=1.0)
    annotated = json.loads((world / "tao/annotations/validation.json").read_text())["images"]
    assert set(drawn) == set(empty) == {image["file_name"] for image in annotated}
    for name, picture in empty.items():
        frame = cv2.imread(str(world / "tao/frames" / name))
        assert np.abs(picture.astype(int) - frame).mean() < 3, "the frame and nothing on it"
    changed = [np.abs(drawn[name].astype(int) - empty[name]).max() > 60 for name in drawn]
    assert np.mean(changed) > 0.8
