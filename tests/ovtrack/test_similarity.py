"""Similarities of embeddings against their plain definitions."""

from __future__ import annotations

import numpy as np
import torch

from ovtrack.similarity import bidirectional_softmax, cosine_similarity, row_scales


def test_bidirectional_softmax_equals_the_plain_form_and_stays_finite():
    x = torch.randn(7, 5, dtype=torch.double, generator=torch.Generator().manual_seed(0)) * 5
    e = x.exp()
    plain = (e / (e.sum(1, keepdim=True) + 1e-6) + e / (e.sum(0, keepdim=True) + 1e-6)) / 2
    np.testing.assert_allclose(bidirectional_softmax(x.numpy()), plain, rtol=1e-9)
    assert np.isfinite(bidirectional_softmax(x.float().numpy() * 1e4)).all()


def test_bidirectional_softmax_excludes_minus_infinity():
    x = np.array([[1.0, -np.inf], [-np.inf, -np.inf]])
    out = bidirectional_softmax(x)
    assert np.isfinite(out).all() and out[1].tolist() == [0, 0] and out[0, 1] == 0


def test_cosine_similarity():
    out = cosine_similarity(torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    torch.testing.assert_close(out, torch.tensor([[1.0, 0.5**0.5]]))


def test_row_scales_make_unit_rows_and_leave_zeros():
    embeds = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(embeds * row_scales(embeds)[:, None], [[0.6, 0.8], [0, 0]])
