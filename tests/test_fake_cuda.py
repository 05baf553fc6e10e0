"""The pretended GPU finds what a real one refuses, and lets pass what a real one does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.fake_cuda import CUDA, FakeCudaTensor, MixedDevicesError, fake_cuda


@pytest.fixture(autouse=True)
def pretended(pytestconfig):
    if pytestconfig.getoption("--device") != "cpu":
        pytest.skip("about the pretended GPU, entered and left")


class Model(nn.Module):
    """A small model whose step makes one of the usual mistakes, or none."""

    def __init__(self, mistake: str = "") -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.register_buffer("mean", torch.zeros(4))
        self.forgotten = torch.ones(4)
        self.mistake = mistake

    def forward(self, rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        rows = rows - (self.forgotten if self.mistake == "attribute" else self.mean)
        logits = self.layer(rows)
        kept = (logits.argmax(dim=1) >= 0).nonzero()[:, 0]
        if self.mistake == "constant":
            logits = logits + torch.arange(3)
        if self.mistake == "written":
            torch.zeros(3).add_(logits.sum())
        if self.mistake == "index":
            self.forgotten[kept % 4]
        if self.mistake == "mask":
            logits = torch.where(torch.ones(len(logits), 1, dtype=bool), logits, 0)
        if self.mistake == "numpy":
            logits.detach().numpy()
        if self.mistake == "generator":
            torch.rand(3, device=logits.device, generator=torch.Generator())
        if self.mistake == "list":
            logits = torch.cat([logits, torch.zeros(1, 3)])[:-1]
        return nn.functional.cross_entropy(logits[kept], labels[kept])


def step(mistake: str, device: torch.device) -> Model:
    model = Model(mistake).to(device)
    optimizer = torch.optim.AdamW(model.parameters())
    rows, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    if mistake != "labels":
        labels = labels.to(device)
    model(rows.to(device), labels).backward()
    optimizer.step()
    return model


@pytest.mark.parametrize(
    "mistake",
    ["attribute", "constant", "written", "index", "mask", "generator", "list", "labels"],
)
def test_a_forgotten_tensor_is_found(mistake):
    with fake_cuda() as device, pytest.raises(MixedDevicesError):
        step(mistake, device)
    step(mistake, torch.device("cpu"))


def test_numpy_needs_a_copy_to_the_cpu():
    with fake_cuda() as device, pytest.raises(TypeError, match="Tensor.cpu"):
        step("numpy", device)


def test_a_step_computes_what_it_computes_on_the_cpu():
    torch.manual_seed(0)
    with fake_cuda() as device:
        ours = step("", device)
        assert all(isinstance(p, FakeCudaTensor) and p.device == CUDA for p in ours.parameters())
        found = {name: value.cpu() for name, value in ours.state_dict().items()}
    torch.manual_seed(0)
    expected = step("", torch.device("cpu")).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_what_cuda_allows_passes():
    with fake_cuda() as device:
        rows = torch.arange(6.0, device="cuda").view(3, 2)
        assert (rows + torch.tensor(1.0)).device == rows.cuda().device == device
        assert rows[torch.tensor([2, 0])].tolist() == [[4, 5], [0, 1]]
        rows[torch.tensor([True, False, False])] = 7
        rows[:, 1].mul_(2)
        assert rows.tolist() == [[7, 14], [2, 6], [4, 10]]
        assert rows[[2, 0]].tolist() == [[4, 10], [7, 14]] and rows[:, [1]].is_cuda
        assert rows.new_tensor([1, 2]).dtype == torch.float32 and rows.new_tensor([1]).is_cuda
        assert torch.tensor([1], device="cuda:0").is_cuda
        assert rows.numpy(force=True).sum() == rows.sum().item() == 43
        assert rows.to("cpu").device.type == "cpu" and torch.ones(2).to(rows).is_cuda


def test_nothing_is_left_behind():
    before = torch.cuda.is_available()
    with fake_cuda():
        assert torch.cuda.is_available()
    assert torch.cuda.is_available() == before
    layer = nn.Linear(2, 2)
    weight = layer.weight
    assert layer.double().weight is weight
