"""Training of DiMP by its commands, on a few rendered videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.places import ROOT
from tests.test_launchers import launch
from vovtrack.cli.main import main
from vovtrack.files.checkpoints import load_checkpoint_file

CONFIG = "configs/sot/mini.py"
LOSSES = {"loss_final", "loss_first", "loss_between", "loss_box"}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Two videos of 24 frames."""
    out = tmp_path_factory.mktemp("mini") / "world"
    size = ["--frames", "24", "--width", "96", "--height", "96"]
    words = ["synth", "--format", "got10k", "--videos", "2", "--workers", "1", *size]
    assert main([*words, "--out", str(out)]) == 0
    return out


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


def steps(run: Path) -> list[dict]:
    """What was logged of each step."""
    (scalars,) = run.glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in scalars.read_text().splitlines()]


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
