"""Training of DiMP by its commands, on a few rendered videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.places import ROOT
from tests.sot.training import render, steps
from tests.test_launchers import launch
from vovtrack.cli.main import main
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.files.images import read_image

CONFIG = "configs/sot/mini.py"
LOSSES = {"loss_final", "loss_first", "loss_between", "loss_box"}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return render(tmp_path_factory.mktemp("mini") / "world")


def small(world: Path) -> list[str]:
    """Options of two epochs of two steps."""
    loader = ["batch_size=2", "num_workers=0", "persistent_workers=False", "dataset.samples=4"]
    source = "train_dataloader.dataset.sources.0"
    return [
        *(f"train_dataloader.{option}" for option in loader),
        f"{source}.ann_file={world / 'train'}",
        f"{source}.data_prefix.img={world / 'train'}",
        "train_cfg.max_epochs=2",
        "default_hooks.logger.interval=1",
        "default_hooks.checkpoint.by_epoch=False",
        "default_hooks.checkpoint.max_keep_ckpts=-1",
    ]


@pytest.fixture(scope="module")
def trained(world) -> Path:
    out = world.parent / "run"
    words = ["train", CONFIG, "--work-dir", str(out), "--seed", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert main([*words, "--cfg-options", *small(world)]) == 0
    return out


def test_all_losses_are_learned_from(trained):
    logged = steps(trained)
    assert len(logged) == 4
    for step in logged:
        assert {name for name in step if "loss" in name} == LOSSES | {"loss"}
        assert step["loss"] == pytest.approx(sum(step[name] for name in LOSSES), rel=1e-4)


def test_every_part_learns(trained):
    first, last = (load_checkpoint_file(trained / f"iter_{n}.pth")["state_dict"] for n in (1, 4))
    same = [name for name in first if torch.equal(first[name], last[name])]
    assert same == []


def test_two_processes_share_the_samples(world, tmp_path):
    launch("dist_train.sh", CONFIG, 2, "--work-dir", tmp_path, "--cfg-options", *small(world))
    assert [step["step"] for step in steps(tmp_path)] == [1, 2], "one step an epoch, not two"
    begun, ended = (load_checkpoint_file(tmp_path / f"iter_{n}.pth")["state_dict"] for n in (1, 2))
    assert all(torch.isfinite(value).all() for value in ended.values())
    assert any(not torch.equal(begun[name], ended[name]) for name in begun)


def test_samples_are_drawn_with_their_boxes(world, tmp_path, repository, capsys):
    words = ["inspect", "data", CONFIG, "--out", str(tmp_path), "--number", "2"]
    assert main([*words, "--cfg-options", *small(world)]) == 0
    pictures = sorted(tmp_path.iterdir())
    assert len(pictures) == 2
    height, width = read_image(pictures[0]).shape[:2]
    assert height == 160 and width >= 4 * 160
    assert f"{pictures[0]}: 4 views, 4 objects" in capsys.readouterr().out


def test_what_was_trained_follows_a_box(trained, world, tmp_path, repository):
    (video,) = sorted((world / "train").glob("*1/"))
    box = (video / "groundtruth.txt").read_text().split()[0]
    weights, out = str(trained / "iter_4.pth"), tmp_path / "boxes.json"
    words = ["track", str(video), "--config", CONFIG, "--checkpoint", weights, "--box", box]
    assert main([*words, "--max-frames", "4", "--json", str(out)]) == 0
    frames = json.loads(out.read_text())["frames"]
    (first,) = frames[0]["tracks"]
    x, y, w, h = map(float, box.split(","))
    assert len(frames) == 4 and first["bbox"] == pytest.approx([x, y, x + w, y + h], abs=0.1)
