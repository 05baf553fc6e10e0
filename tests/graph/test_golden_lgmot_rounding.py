"""From recorded probabilities to links."""

from __future__ import annotations

import numpy as np
import pytest

from vovtrack.graph.rounding import clusters_of, round_links


@pytest.mark.parametrize("method", ["exact", "greedy"])
def test_recorded_choices(recorded, method):
    arrays, meta = recorded.arrays("rounding.npz"), recorded.meta("rounding.npz")
    cases = {name: settings for name, settings in meta.items() if "nodes" in settings}
    assert cases
    for name, settings in cases.items():
        pairs = arrays[f"{name}/pairs"].astype(np.int64)
        links = round_links(pairs, arrays[f"{name}/prob"].reshape(2, -1), method)
        assert (links.pairs == arrays[f"{name}/kept_pairs"]).all()
        np.testing.assert_allclose(links.probability, arrays[f"{name}/kept_prob"], rtol=1e-6)
        satisfied = settings[f"{method}_satisfied"]
        np.testing.assert_allclose(links.satisfied, satisfied, rtol=1e-6)
        if method == "exact":
            gain = (2 * links.probability - 1)[links.chosen].sum()
            np.testing.assert_allclose(gain, arrays[f"{name}/objective"], rtol=1e-5, atol=1e-6)
        if method == "exact" and (links.probability == 0.5).any():
            continue  # such a pair may be chosen or not
        assert (links.chosen == (arrays[f"{name}/{method}_flag"] == 1)).all(), name
        clusters = clusters_of(links.pairs[:, links.chosen], settings["nodes"])
        assert (clusters == arrays[f"{name}/{method}_labels"]).all(), name
