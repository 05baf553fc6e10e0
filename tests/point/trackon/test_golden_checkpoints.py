"""Names and shapes of the published weights, and the draws that stand for them."""

from __future__ import annotations

import numpy as np

from tests.point.trackon.released import released, seeded_weights
from tests.recorded import Recorded


def test_the_model_has_the_published_tensors(recorded: Recorded):
    shapes = recorded.json("checkpoint_keys_v1.json")
    model = released(recorded, (384, 512))
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == shapes
    counts = {flag: 0 for flag in (True, False)}
    for parameter in model.parameters():
        counts[parameter.requires_grad] += parameter.numel()
    assert counts == {True: 26_983_705, False: 22_056_192}


def test_the_draws_are_the_recorded_ones(recorded: Recorded):
    expected = recorded.json("seeding_check.json")
    shapes = recorded.json("checkpoint_keys_v1.json")
    weights = seeded_weights(shapes, recorded.salt)
    for key, values in expected.items():
        found = weights[key].flatten()[: len(values)].numpy()
        np.testing.assert_allclose(found, values, atol=2e-6, err_msg=key)
