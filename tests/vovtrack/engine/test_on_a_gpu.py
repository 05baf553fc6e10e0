"""Whole runs on a GPU: the runner, its hooks, its checkpoints; the tracker of a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fake_cuda import REFUSED, fake_cuda
from vovtrack.engine import run as launch
from vovtrack.engine.load import load_tracker
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.structures import Target

WEIGHTS = "saved_models/mini/ovtrack_mini.safetensors"
PAIRS = "configs/mini/ovtrack.py"


def train(world: Path, work_dir: Path, epochs: int = 1, **options) -> dict:
    """Train two steps an epoch; the last checkpoint, as it lies on disk."""
    changes = [
        f"train_dataloader.dataset.data_root={world}",
        "train_dataloader.dataset.indices=2",
        "train_dataloader.batch_size=1",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        f"load_from={WEIGHTS}",
        f"total_epochs={epochs}",
    ]
    launch.train(PAIRS, work_dir=work_dir, seed=0, cfg_options=changes, **options)
    return load_checkpoint_file(work_dir / f"epoch_{epochs}.pth")


def test_a_run_ends_with_the_weights_that_it_has_on_the_cpu(
    world, repository, tmp_path, pytestconfig
):
    if pytestconfig.getoption("--device") == "cuda":
        pytest.skip("a real GPU rounds in another way, and AdamW's first steps are signs")
    expected = train(world, tmp_path / "cpu")
    with fake_cuda():
        found = train(world, tmp_path / "gpu")
    assert found["state_dict"].keys() == expected["state_dict"].keys()
    for name, value in expected["state_dict"].items():
        assert type(found["state_dict"][name]) is torch.Tensor
        # Where rounding differs, AdamW's first steps, which are signs, differ by their rate.
        torch.testing.assert_close(found["state_dict"][name], value, rtol=0, atol=1e-3, msg=name)


def test_a_run_with_scaled_losses_continues(world, repository, tmp_path):
    with fake_cuda():
        first = train(world, tmp_path, amp=True)
        second = train(world, tmp_path, epochs=2, amp=True, resume=True)
    assert first["optimizer"]["loss_scaler"]["scale"] > 1
    assert first["meta"]["iter"] == 2 and second["meta"]["iter"] == 4


def test_a_run_in_bfloat16(world, repository, tmp_path):
    with fake_cuda():
        found = train(world, tmp_path, amp="bf16")
    assert "loss_scaler" not in found["optimizer"]
    assert all(v.dtype != torch.bfloat16 for v in found["state_dict"].values())


def test_a_run_is_tested(world, repository, tmp_path):
    data = [f"test_dataloader.dataset.data_root={world}", "test_dataloader.num_workers=0"]
    data.append("test_dataloader.persistent_workers=False")
    with fake_cuda():
        metrics = launch.test(
            PAIRS,
            WEIGHTS,
            work_dir=tmp_path,
            observations=tmp_path / "observations",
            eval_options=[f"resfile_path={tmp_path / 'results'}"],
            cfg_options=[*data, f"test_evaluator.ann_file={world}/tao/annotations/validation.json"],
        )
    assert metrics


@pytest.mark.parametrize("batch", [1, 3])
def test_a_video_is_tracked(repository, batch):
    images = np.random.default_rng(0).integers(0, 255, (batch, 96, 128, 3), np.uint8)
    with fake_cuda():
        tracker = load_tracker("mini", classes="striped red star, solid blue ring", device="cuda")
        assert next(tracker.model.parameters()).is_cuda
        tracker.start(None, Target(classes="dotted green square"))
        found = tracker.step_batch(list(images))
    assert all(isinstance(tracks.bboxes, np.ndarray) for tracks in found)


def test_a_forgotten_tensor_of_the_runner_is_found(world, repository, tmp_path, monkeypatch):
    from mmengine.model import BaseDataPreprocessor

    monkeypatch.setattr(BaseDataPreprocessor, "cast_data", lambda self, data: data)
    with fake_cuda(), pytest.raises(RuntimeError, match=REFUSED):
        train(world, tmp_path)
