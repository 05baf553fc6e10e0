"""Pure functions against their plain definitions."""

from __future__ import annotations

import numpy as np
import torch
from torchvision.ops import box_iou

from vovtrack.ops.assignment import greedy_assignment
from vovtrack.ops.boxes import drop_distractors, pairwise_iou
from vovtrack.ops.similarity import bidirectional_softmax, cosine_similarity, row_scales


def plain_greedy(scores: np.ndarray, threshold: float) -> list[int]:
    scores, assigned = scores.copy(), []
    for row in range(len(scores)):
        best = int(scores[row].argmax())
        assigned.append(best if scores[row, best] > threshold else -1)
        if assigned[-1] >= 0:
            scores[np.arange(len(scores)) != row, best] = 0
    return assigned


def test_greedy_assignment_equals_the_loop_with_ties():
    rng = np.random.default_rng(0)
    for _ in range(200):
        scores = rng.integers(0, 6, rng.integers(1, 9, 2)).astype(np.float32) / 5
        assert greedy_assignment(scores, 0.3).tolist() == plain_greedy(scores, 0.3)


def test_greedy_assignment_of_nothing():
    assert greedy_assignment(np.zeros((0, 3)), 0.1).tolist() == []
    assert greedy_assignment(np.zeros((2, 0)), 0.1).tolist() == [-1, -1]


def test_ineligible_rows_leave_their_column_to_others():
    scores = np.array([[0.9, 0.1], [0.8, 0.2]])
    assert greedy_assignment(scores, 0.15, np.array([False, True])).tolist() == [-1, 0]


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


def test_drop_distractors_equals_the_loop():
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(50, 2, generator=generator) * 60
    bboxes = torch.cat([corners, corners + 20], dim=1)
    labels = torch.randint(0, 2, (50,), generator=generator)
    ious = box_iou(bboxes, bboxes)
    for use_labels in (False, True):
        expected = [
            not any(
                ious[j, i] > 0.3 and (not use_labels or labels[i] == labels[j]) for j in range(i)
            )
            for i in range(50)
        ]
        kept = drop_distractors(bboxes.numpy(), 0.3, labels.numpy() if use_labels else None)
        assert kept.tolist() == expected
        assert 0 < sum(expected) < 50


def test_pairwise_iou_equals_torchvision_and_survives_boxes_without_area():
    generator = torch.Generator().manual_seed(2)
    corners = torch.rand(2, 20, 2, generator=generator) * 40
    a, b = (torch.cat([c, c + 5 + torch.rand(20, 2, generator=generator) * 20], 1) for c in corners)
    np.testing.assert_allclose(pairwise_iou(a.numpy(), b.numpy()), box_iou(a, b), atol=1e-6)
    assert pairwise_iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


def test_row_scales_make_unit_rows_and_leave_zeros():
    embeds = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(embeds * row_scales(embeds)[:, None], [[0.6, 0.8], [0, 0]])
