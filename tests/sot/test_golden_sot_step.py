"""A whole step of training: scores, losses, gradients and running statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement

from tests.seeded import normal
from tests.sot.networks import build, seeded
from vovtrack.errors import InputError
from vovtrack.sot.models.keys import DIMP_KEYS

NAME, NETWORK = "train_step_dimp18.npz", "dimp18"
GRADIENT, AFTER = "grad/", "after/"


def ours(key: str) -> str:
    """Our name of an original parameter."""
    return DIMP_KEYS.translate(key)[0]


class Step:
    """The recorded step, and ours.

    Args:
        recorded: All recordings.
        noise: Share of the images that is added as noise.
    """

    def __init__(self, recorded, noise: float = 0.0) -> None:
        self.noise = noise
        self.arrays, self.meta = recorded.arrays(NAME), recorded.meta(NAME)
        self.model = seeded(recorded, NETWORK).train()
        optimizer = build(NETWORK).classifier.filter_optimizer
        self.model.classifier.filter_optimizer = optimizer
        # The recorded images are normalised.
        self.model.mean.zero_()
        self.model.std.fill_(1)
        seen = []
        self.model.losses.register_forward_hook(lambda module, inputs, _: seen.append(inputs))
        losses = self.model(self.inputs(recorded), self.samples(), mode="loss")
        self.total = sum(losses.values())
        self.total.backward()
        self.scores, self.boxes, _ = seen[0]

    def __call__(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])

    def inputs(self, recorded) -> list[torch.Tensor]:
        """Search areas of each sequence, those to learn in first."""
        frames, sequences = self.arrays["train_anno"].shape[:2]
        side = self.meta["image"]
        shape = (frames, sequences, 3, side, side)
        both = [normal(shape, recorded.salt, "step_dimp18", kind) for kind in ("train", "test")]
        images = torch.cat(both)
        images = images * (1 + self.noise * normal(images.shape, recorded.salt, "noise"))
        return list(images.unbind(1))

    def gradients(self) -> dict[str, torch.Tensor]:
        """Of all parameters, by our names."""
        return {name: value.grad for name, value in self.model.named_parameters()}

    def samples(self) -> list[BaseDataElement]:
        names = dict(
            train_boxes="train_anno",
            test_boxes="test_anno",
            test_label="test_label",
            test_proposals="test_proposals",
            test_overlap="proposal_iou",
        )
        count = self.arrays["train_anno"].shape[1]
        return [
            BaseDataElement(**{name: self(key)[:, n] for name, key in names.items()})
            for n in range(count)
        ]

    def check(self, key: str, found: torch.Tensor, near: float) -> None:
        wanted = self.arrays[key]
        atol = near * np.abs(wanted).max()
        np.testing.assert_allclose(found.detach(), wanted, rtol=near, atol=atol, err_msg=key)


@pytest.fixture(scope="module")
def step(recorded):
    return Step(recorded)


@pytest.fixture(scope="module")
def rounded(recorded):
    """The step on images that are rounded otherwise: what it changes cannot be compared.

    Scores of steps that nearly cancel are the gradient of their length, for one.
    """
    return Step(recorded, noise=1e-6)


def test_predictions_and_loss(step):
    step.check("scores", step.scores, near=1e-3)
    step.check("box_pred", step.boxes, near=1e-3)
    step.check("loss", step.total, near=1e-4)


def test_norms_of_all_gradients(step, rounded):
    found, other = step.gradients(), rounded.gradients()
    norms = {ours(key): norm for key, norm in step.meta["grad_norms"].items() if ours(key)}
    assert norms.keys() == found.keys()
    most = max(norms.values())
    for name, norm in norms.items():
        # A bias before a batch norm has no gradient but what rounding leaves.
        near = 1e-2 * norm + 1e-6 * most + 5 * float((found[name] - other[name]).norm())
        assert float(found[name].norm()) == pytest.approx(norm, abs=near), name


def test_gradients(step, rounded):
    found, other = step.gradients(), rounded.gradients()
    keys = [key for key in step.arrays.files if key.startswith(GRADIENT)]
    assert keys
    for key in keys:
        name, wanted = ours(key.removeprefix(GRADIENT)), step(key)
        spread = 5 * (found[name] - other[name]).abs().amax()
        gradient = found[name].flatten()
        gradient = gradient[:: -(-len(gradient) // wanted.numel())].view(wanted.shape)
        assert (gradient - wanted).abs().amax() < 1e-2 * wanted.abs().amax() + spread, key


def test_running_statistics(step):
    state = step.model.state_dict()
    keys = [key for key in step.arrays.files if key.startswith(AFTER)]
    assert keys
    for key in keys:
        step.check(key, state[ours(key.removeprefix(AFTER))], near=1e-4)


def test_a_network_without_losses_is_not_trained():
    model = build(NETWORK)
    model.losses = None
    with pytest.raises(InputError, match="This model has no 'losses' to learn from"):
        model([], [])
    with pytest.raises(InputError, match="DiMP has no mode 'predict'"):
        model([], [], mode="predict")
