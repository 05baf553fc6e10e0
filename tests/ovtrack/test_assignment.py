"""Greedy assignment against the plain loop."""

from __future__ import annotations

import numpy as np

from ovtrack.assignment import greedy_assignment


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
