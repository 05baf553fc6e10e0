"""The six losses of Track-On and their gradients, on recorded predictions."""

from __future__ import annotations

import pytest
import torch

from vovtrack.point.models.losses import PointLosses
from vovtrack.point.models.patches import patch_index
from vovtrack.point.models.state import Prediction

TERMS = dict(
    point="point_loss",
    point_local="point_loss_local",
    visibility="visibility_loss",
    offset="offset_loss",
    uncertainty="uncertainty_loss",
    uncertainty_topk="uncertainty_loss_topk",
)
"""Recorded name -> ours."""
LEARNED = ("c1", "c2", "vis_logit", "unc_logit", "offsets", "top_unc")
CLOSE = dict(rtol=1e-5, atol=1e-5)
SETTINGS = dict(after_query=True, all_frames=False)


class Case:
    """The recorded inputs, with gradients where the network would have them."""

    def __init__(self, recorded) -> None:
        arrays, self.meta = recorded.arrays("losses.npz"), recorded.meta("losses.npz")
        self.arrays = {
            name: torch.from_numpy(arrays[name]) for name in arrays if name != "meta_json"
        }
        self.inputs = {
            name: value.clone().requires_grad_(name in LEARNED)
            for name, value in self.arrays.items()
            if "/" not in name
        }

    def clip(self, points: torch.Tensor | None = None) -> list[Prediction]:
        """The predictions of each frame."""
        by_frame = {name: value.unbind(1) for name, value in self.inputs.items() if value.ndim > 2}
        return [
            Prediction(
                points=by_frame["patch"][t] + by_frame["offsets"][t][:, -1],
                visible_logit=by_frame["vis_logit"][t],
                uncertainty_logit=by_frame["unc_logit"][t],
                patch=by_frame["patch"][t],
                offsets=by_frame["offsets"][t].transpose(0, 1),
                top_points=by_frame["top_points"][t],
                top_unc=by_frame["top_unc"][t],
                c1=by_frame["c1"][t],
                c2=by_frame["c2"][t],
            )
            for t in range(self.meta["T"])
        ]

    def losses(self, query_times: torch.Tensor | None = None, **settings) -> dict:
        """What we make of them."""
        if query_times is None:
            query_times = self.inputs["query_times"]
        truth = self.inputs["gt_tracks"], self.inputs["gt_visible"], query_times
        return PointLosses(**settings)(
            self.clip(), *truth, size=tuple(self.meta["size"]), stride=self.meta["stride"]
        )


@pytest.fixture
def case(recorded):
    return Case(recorded)


@pytest.mark.parametrize("setting", SETTINGS)
def test_losses_and_gradients(case, setting):
    losses = case.losses(after_query=SETTINGS[setting])
    assert losses.keys() == set(TERMS.values())
    for name, ours in TERMS.items():
        torch.testing.assert_close(losses[ours], case.arrays[f"{setting}/{name}"], **CLOSE)
    total = sum(losses.values())
    torch.testing.assert_close(total, case.arrays[f"{setting}/total"], **CLOSE)
    total.backward()
    for name in LEARNED:
        gradient = case.arrays[f"{setting}/grad_{name}"]
        torch.testing.assert_close(case.inputs[name].grad, gradient, rtol=1e-4, atol=1e-6)


def test_the_patch_of_every_point(case):
    size = tuple(case.meta["size"])
    found = patch_index(case.inputs["gt_tracks"], size, case.meta["stride"])
    assert torch.equal(found, case.arrays["target_index"])


def test_clips_in_which_no_point_is_asked_for_cost_nothing(case):
    times = torch.full_like(case.inputs["query_times"], case.meta["T"] - 1)
    losses = case.losses(times)
    assert [float(value.detach()) for value in losses.values()] == [0] * len(TERMS)
    sum(losses.values()).backward()
    for name in LEARNED:
        gradient = case.inputs[name].grad
        assert gradient is not None and not gradient.any()
