"""Where the target is in maps of scores, and what is thought of it."""

from __future__ import annotations

import numpy as np
import torch

from vovtrack.sot.localization import (
    Flag,
    LocalizationSettings,
    Sample,
    local_maxima,
    localize,
    peak_of,
)

STRIDE = 16


def test_places_and_flags(recorded):
    arrays, flags = recorded.arrays("localize.npz"), recorded.meta("localize.npz")["flags"]
    names = [name.removesuffix("_flag") for name in arrays.files if name.endswith("_flag")]
    assert names
    seen = set()
    for name in names:
        rows = (arrays[f"{name}_{key}"] for key in ("scores", "state", "translation", "flag"))
        for scores, state, translation, flag in zip(*rows, strict=True):
            sample = Sample(state[:2], state[5:], state[2:4], float(state[4]) * STRIDE)
            found = localize(scores, sample, LocalizationSettings())
            assert found.flag == flags[flag]
            np.testing.assert_allclose(found.translation, translation, atol=1e-4)
            seen.add(found.flag)
    assert seen == set(Flag)


def test_peaks_of_a_map(recorded):
    """Also on a plateau, and among equal ones, whose order is open."""
    arrays = recorded.arrays("labels_memory.npz")
    scores = torch.from_numpy(arrays["peaks_map"])
    for threshold, name in ((0.05, "peaks_coords"), (0.1, "peaks_coords_th01")):
        cells, values = local_maxima(scores, 5, threshold)
        assert sorted(cells.tolist()) == sorted(arrays[name].tolist())
        assert (values.diff() <= 0).all()
        assert torch.equal(values, scores[cells[:, 0], cells[:, 1]])
    values = local_maxima(scores, 5, 0.05)[1]
    np.testing.assert_array_equal(values, arrays["peaks_values"])


def test_the_first_of_equal_peaks(recorded):
    arrays = recorded.arrays("labels_memory.npz")
    value, cell = peak_of(arrays["tie_map"][0])
    assert cell.tolist() == arrays["tie_argmax"][0].tolist()
    assert value == arrays["tie_map"].max()


def test_a_map_without_positive_scores_has_one_peak():
    scores = np.full((9, 9), -0.1, dtype=np.float32)
    scores[2, 7] = 0.6
    sample = Sample(np.full(2, 50.0), np.full(2, 20.0), np.full(2, 50.0), cell=8.0)
    found = localize(scores, sample, LocalizationSettings())
    assert found.flag is Flag.NORMAL and found.translation.tolist() == [-16, 24]
    assert localize(scores - 0.6, sample, LocalizationSettings()).flag is Flag.NOT_FOUND
