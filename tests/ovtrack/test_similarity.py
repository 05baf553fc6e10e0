"""Similarities of embeddings against their plain definitions."""

from __future__ import annotations

import numpy as np
import torch

from ovtrack.similarity import (
    bidirectional_softmax,
    cosine_similarity,
    cosines,
    row_scales,
    softmax,
)


def test_bidirectional_softmax_equals_the_plain_form_and_stays_finite():
    x = torch.randn(7, 5, dtype=torch.double, generator=torch.Generator().manual_seed(0)) * 5
    e = x.exp()
    plain = (e / (e.sum(1, keepdim=True) + 1e-6) + e / (e.sum(0, keepdim=True) + 1e-6)) / 2
    np.testing.assert_allclose(bidirectional_softmax(x.numpy()), plain, rtol=1e-9)
    assert np.isfinite(bidirectional_softmax(x.float().numpy() * 1e4)).all()


def test_bidirectional_softmax_of_a_small_pair():
    det, memory = (
        np.sin(f * np.arange(1, 4 * n + 1)).reshape(n, 4).astype(np.float32)
        for n, f in ((3, 0.7), (5, 1.3))
    )
    same = np.array([0, 1, 1])[:, None] == np.array([0, 1, 1, 1, 0])
    expected = [
        [0.283751, 0, 0, 0, 0.069314],
        [0, 0.093872, 0.055128, 0.155302, 0],
        [0, 0.209287, 0.513741, 0.478352, 0],
    ]
    found = bidirectional_softmax(det @ memory.T, eps=0) * same
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_softmax_without_epsilon_is_finite_far_below_zero():
    far = np.array([[-1000.0, -1001.0]], dtype=np.float32)
    assert bidirectional_softmax(far, eps=0).sum() == 1.5
    np.testing.assert_allclose(softmax(far, axis=1), [[1 / (1 + np.e**-1), 1 / (1 + np.e)]])


def test_cosines_of_dot_products():
    a, b = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[0.0, 2.0]])
    np.testing.assert_allclose(cosines(a @ b.T, a, b), [[0.8], [0.0]])


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
