"""Training by its commands, on a few rendered clips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.places import ROOT
from tests.test_launchers import launch
from vovtrack.cli.main import main
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.files.images import read_image
from vovtrack.registry import MODELS

CONFIG = "configs/trackon/mini.py"
CONFIG2 = "configs/trackon/mini2.py"
LOSSES = {
    *("point_loss", "point_loss_local", "offset_loss", "visibility_loss"),
    *("uncertainty_loss", "uncertainty_loss_topk"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Two clips of four frames."""
    out = tmp_path_factory.mktemp("mini") / "world"
    size = ["--frames", "4", "--width", "128", "--height", "96"]
    words = ["synth", "--format", "movi", "--videos", "2", "--workers", "1", *size]
    assert main([*words, "--out", str(out)]) == 0
    return out


def small(world: Path) -> list[str]:
    """Options of two epochs on short clips."""
    loader = ["batch_size=1", "num_workers=0", "persistent_workers=False"]
    return [
        *(f"train_dataloader.{option}" for option in loader),
        f"train_dataloader.dataset.data_root={world}",
        "train_dataloader.dataset.pipeline.0.length=3",
        "train_cfg.max_epochs=2",
        "default_hooks.logger.interval=1",
        "default_hooks.checkpoint.by_epoch=False",
        "default_hooks.checkpoint.max_keep_ckpts=-1",
    ]


@pytest.fixture(scope="module")
def train(world):
    """Train two epochs of two steps, in a folder by its name."""

    def run(name: str, *more: str, config: str = CONFIG) -> Path:
        out = world.parent / name
        command = ["train", config, "--work-dir", str(out), *more]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            assert main([*command, "--seed", "0", "--cfg-options", *small(world)]) == 0
        return out

    return run


@pytest.fixture(scope="module")
def trained(train):
    return train("whole")


@pytest.fixture(scope="module")
def second(train):
    return train("second", config=CONFIG2)


def check_losses(run: Path, names: set[str]) -> None:
    """A run of four steps learned from these losses."""
    (scalars,) = run.glob("*/vis_data/scalars.json")
    steps = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert len(steps) == 4
    for step in steps:
        assert {name for name in step if "loss" in name} == names | {"loss"}
        assert step["loss"] == pytest.approx(sum(step[name] for name in names), rel=1e-4)


def test_all_losses_are_learned_from(trained):
    check_losses(trained, LOSSES)


def test_track_on2_is_trained_by_the_same_command(second):
    check_losses(second, LOSSES | {"ranking_loss"})


@pytest.mark.parametrize(("run", "config"), [("trained", CONFIG), ("second", CONFIG2)])
def test_what_was_trained_follows_points(run, config, request, world, tmp_path, repository):
    weights = request.getfixturevalue(run) / "iter_4.pth"
    frames = str(next(world.glob("*/frames")))
    words = ["track", frames, "--points", "40,50; 90,30@2", "--npz", str(tmp_path / "points.npz")]
    assert main([*words, "--config", config, "--checkpoint", str(weights)]) == 0
    found = np.load(tmp_path / "points.npz")["points"]
    assert found.shape == (2, 4, 2)
    assert np.isfinite(found[0]).all() and np.isfinite(found[1, 2:]).all()


@pytest.mark.parametrize("step", [1, 2])
def test_a_run_that_resumes_ends_with_the_same_weights(trained, train, step):
    resumed = train(f"from_{step}", "--resume-from", str(trained / f"iter_{step}.pth"))
    assert not (resumed / f"iter_{step}.pth").exists()
    first, second = (
        load_checkpoint_file(run / "iter_4.pth")["state_dict"] for run in (trained, resumed)
    )
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    begun = load_checkpoint_file(trained / f"iter_{step}.pth")["state_dict"]
    assert any(not torch.equal(first[name], begun[name]) for name in first)


def test_two_processes_share_the_clips(world, tmp_path):
    launch("dist_train.sh", CONFIG, 2, "--work-dir", tmp_path, "--cfg-options", *small(world))
    (scalars,) = tmp_path.glob("*/vis_data/scalars.json")
    steps = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [step["step"] for step in steps] == [1, 2], "one step an epoch, not two"
    begun, ended = (load_checkpoint_file(tmp_path / f"iter_{n}.pth")["state_dict"] for n in (1, 2))
    assert all(torch.isfinite(value).all() for value in ended.values())
    assert any(not torch.equal(begun[name], ended[name]) for name in begun)


def test_clips_are_drawn_with_their_points(world, tmp_path, repository, capsys):
    options = [f"train_dataloader.dataset.data_root={world}"]
    options += ["train_dataloader.dataset.pipeline.0.length=3"]
    words = ["inspect", "data", CONFIG, "--out", str(tmp_path), "--number", "1"]
    assert main([*words, "--cfg-options", *options]) == 0
    (picture,) = tmp_path.iterdir()
    height, width = read_image(picture).shape[:2]
    assert height == 96 and width >= 3 * 128
    assert f"{picture}: 3 views, 32 objects" in capsys.readouterr().out


def test_frames_of_another_size_are_one_sentence(repository):
    model = MODELS.build(load_config(CONFIG).model)
    with pytest.raises(InputError, match="Frames of 64x128 were given to a network of 96x128"):
        model.encode(torch.zeros(1, 3, 64, 128))
