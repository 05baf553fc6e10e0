"""Names and shapes of the published weights."""

from __future__ import annotations

import torch

from tests.sot.networks import build
from vovtrack.engine.weights.conversion import expected_shapes, find_layout, plan_conversion
from vovtrack.sot.models.keys import DIMP, DIMP_KEYS

RELEASED = {
    "dimp18": "dimp18",
    "dimp50": "dimp50",
    "super_dimp": "dimp50",
    "super_dimp_simple": "super-dimp-simple",
    "prdimp50": "prdimp50",
}
"""Networks -> the layout that their files are of."""


def test_every_tensor_has_its_place(recorded):
    for name, kind in RELEASED.items():
        shapes = recorded.json(f"checkpoint_keys_{name}.json")
        weights = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
        layout = find_layout(list(weights), DIMP)
        assert layout.name == kind
        plan = plan_conversion(weights, layout, expected_shapes(layout))
        assert plan.complete and not plan.absent(), name
        with torch.device("meta"):
            own = build(name).state_dict()
        kept = {DIMP_KEYS.translate(key)[0]: tuple(shape) for key, shape in shapes.items()}
        kept.pop(None)
        assert kept == {key: tuple(value.shape) for key, value in own.items()}


def test_what_is_dropped_is_never_run(recorded):
    for name in RELEASED:
        dropped = [
            key
            for key in recorded.json(f"checkpoint_keys_{name}.json")
            if DIMP_KEYS.translate(key)[0] is None
        ]
        assert dropped
        assert {key.split(".")[1] for key in dropped} == {"layer4", "fc"}
