"""A loss that is not finite ends the training, unless a loss scaler skips the step."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch.utils.data import Dataset

from tests.fake_cuda import fake_cuda
from tests.waits import Waits
from vovtrack import compat
from vovtrack.engine.hooks import FiniteLossHook, StarvationHook, to_numbers
from vovtrack.errors import InputError


def after(outputs: dict) -> None:
    runner = SimpleNamespace(epoch=2, work_dir="work", optim_wrapper=None)
    samples = [SimpleNamespace(img_path=f"{name}.jpg") for name in "ab"]
    FiniteLossHook().after_train_iter(runner, 6, dict(data_samples=samples), outputs)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_sample_is_named(value):
    with pytest.raises(
        InputError, match=r"Epoch 3, step 7: loss_cycle is not a finite .* a.jpg, b.jpg"
    ):
        after(dict(loss=torch.tensor(1.0), loss_cycle=torch.tensor(value)))


def test_numbers_pass_and_are_numbers_from_then_on():
    outputs = dict(loss=torch.tensor(1e30), grad_norm=3.0)
    after(outputs)
    assert outputs == dict(loss=pytest.approx(1e30), grad_norm=3.0)


def test_a_step_is_read_in_one_transfer():
    with fake_cuda() as device, Waits() as waits:
        losses = {f"loss_{i}": torch.ones((), device=device) * i for i in range(6)}
        values = to_numbers({**losses, "objects": torch.tensor(4.0), "time": 0.5})
    assert values == {"objects": 4.0, **{f"loss_{i}": float(i) for i in range(6)}}
    assert len(waits.found) == 1


class Steps(Dataset):
    """A step each, of the values that the loss is multiplied with."""

    metainfo: dict = {}

    def __init__(self, factors: list[float]) -> None:
        self.factors = factors

    def __len__(self) -> int:
        return len(self.factors)

    def __getitem__(self, index: int) -> dict:
        sample = SimpleNamespace(img_path=f"{index}.jpg")
        return dict(inputs=torch.tensor(self.factors[index]), data_samples=sample)


class Line(BaseModel):
    """Its loss is its weight, times the value of the step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, inputs, data_samples=None, mode="loss"):
        return dict(loss=self.weight * inputs[0], objects=inputs[0])


class ScaledOptimWrapper(OptimWrapper):
    """What mmengine's AmpOptimWrapper does, with the loss scaler of the CPU."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.loss_scaler = torch.amp.GradScaler("cpu", init_scale=16.0)

    def backward(self, loss, **kwargs) -> None:
        self.loss_scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs) -> None:
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()


def train(folder, factors: list[float], scaled: bool, hook) -> tuple[Line, OptimWrapper]:
    compat.install()
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = (ScaledOptimWrapper if scaled else OptimWrapper)(optimizer=optimizer)
    runner = Runner(
        model,
        str(folder),
        train_dataloader=dict(
            batch_size=1,
            dataset=Steps(factors),
            sampler=dict(type="DefaultSampler", shuffle=False),
            collate_fn=dict(type="pseudo_collate"),
        ),
        optim_wrapper=wrapper,
        train_cfg=dict(by_epoch=True, max_epochs=1),
        custom_hooks=[hook, FiniteLossHook(max_skipped=2)],
        experiment_name=folder.name,
        default_scope="mmdet",
    )
    runner.train()
    return model, wrapper


def test_the_scaler_skips_a_step_that_overflows(tmp_path):
    factors = [1.0, float("inf"), 1.0]
    model, wrapper = train(tmp_path, factors, True, StarvationHook("objects", ""))
    assert model.weight.item() == pytest.approx(0.8), "two steps of three"
    assert wrapper.loss_scaler.get_scale() == 8
    log = next(tmp_path.glob("*/*.log")).read_text()
    assert "step 2: loss, objects is not a finite number on 1.jpg. The loss scaler skips" in log
    assert (tmp_path / "epoch_1.pth").is_file()


def test_overflow_that_persists_ends_the_training(tmp_path):
    factors = [1.0, *[float("nan")] * 3, 1.0]
    with pytest.raises(InputError, match=r"step 4: .* step number 3 in a row"):
        train(tmp_path, factors, True, StarvationHook("objects", ""))
    with pytest.raises(InputError, match=r"step 2: "):
        train(tmp_path / "plain", factors, False, StarvationHook("objects", ""))
    assert not list(tmp_path.rglob("epoch_*.pth"))


def test_a_training_on_nothing_is_told_and_ended(tmp_path):
    hook = StarvationHook("objects", "Lower the threshold.", patience=2)
    train(tmp_path / "some", [0.0, 0.0, 0.0, 1.0], False, hook)
    log = next((tmp_path / "some").glob("*/*.log")).read_text()
    assert log.count("The last 2 steps had nothing to learn from (objects: 0). Lower the") == 1
    hook = StarvationHook("objects", "Lower the threshold.")
    with pytest.raises(InputError, match="Epoch 1: no step had anything .* Lower the threshold"):
        train(tmp_path / "none", [0.0, 0.0], False, hook)


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
    assert "is not a finite number" in error and str(world) in error and "Traceback" not in error
    assert not list((tmp_path / "run").glob("epoch_*.pth"))
