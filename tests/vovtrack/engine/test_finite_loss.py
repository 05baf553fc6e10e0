"""A loss that is no number ends the training with the names of the images."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from vovtrack.engine.hooks import FiniteLossHook
from vovtrack.errors import InputError


def after(outputs: dict) -> None:
    runner = SimpleNamespace(epoch=2, work_dir="work")
    samples = [SimpleNamespace(img_path=f"{name}.jpg") for name in "ab"]
    FiniteLossHook().after_train_iter(runner, 6, dict(data_samples=samples), outputs)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_sample_is_named(value):
    with pytest.raises(InputError, match=r"Epoch 3, step 7: loss_cycle is no .* a.jpg, b.jpg"):
        after(dict(loss=torch.tensor(1.0), loss_cycle=torch.tensor(value)))


def test_numbers_pass():
    after(dict(loss=torch.tensor(1e30), grad_norm=3.0))


def test_a_training_stops_and_keeps_its_checkpoint(repository, tmp_path, capsys):
    """The real runner, on a tiny world, from weights with a hole."""
    from vovtrack.cli.main import main
    from vovtrack.synthetic import write_world

    world = write_world(tmp_path / "world", size="tiny", workers=1)
    weights = tmp_path / "hole.pth"
    from safetensors.torch import load_file

    content = load_file("saved_models/mini/ovtrack_mini.safetensors")
    content = {key: value.float() for key, value in content.items()}
    content["track_head.fc_embed.bias"][0] = float("nan")
    torch.save(content, weights)
    words = ["train", "configs/mini/ovtrack.py", "--work-dir", str(tmp_path / "run")]
    options = [
        f"load_from={weights}", f"train_dataloader.dataset.data_root={world}",
        f"test_dataloader.dataset.data_root={world}",
        f"test_evaluator.ann_file={world / 'tao/annotations/validation.json'}",
        "train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False",
    ]  # fmt: skip
    assert main([*words, "--cfg-options", *options]) == 2
    error = capsys.readouterr().err
    assert "is no finite number" in error and str(world) in error and "Traceback" not in error
    assert not list((tmp_path / "run").glob("epoch_*.pth"))
