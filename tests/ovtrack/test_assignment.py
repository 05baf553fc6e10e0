"""Assignments against plain loops."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from ovtrack.assignment import greedy_assignment, optimal_assignment


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


@pytest.mark.parametrize("assign", [greedy_assignment, optimal_assignment])
def test_assignment_of_nothing(assign):
    assert assign(np.zeros((0, 3)), 0.1).tolist() == []
    assert assign(np.zeros((2, 0)), 0.1).tolist() == [-1, -1]


@pytest.mark.parametrize("assign", [greedy_assignment, optimal_assignment])
def test_rows_that_take_nothing_leave_their_column_to_others(assign):
    scores = np.array([[0.9, 0.1], [0.8, 0.2]])
    nobody, second = np.array([False, False]), np.array([False, True])
    assert assign(scores, 0.15, nobody).tolist() == [0, 0]
    assert assign(scores[::-1], 0.15, second[::-1]).tolist() == [0, -1]


@pytest.mark.parametrize("assign", [greedy_assignment, optimal_assignment])
def test_a_row_that_likes_a_distracting_column_best_gets_none(assign):
    scores = np.array([[0.6, 0.9], [0.7, 0.1]])
    assert assign(scores, 0.5, num_targets=1).tolist() == [-1, 0]
    assert assign(scores, 0.5, num_targets=2).tolist() == [1, 0]


def test_distracting_columns_serve_every_row():
    scores = np.array([[0.6, 0.9], [0.7, 0.8]])
    assert greedy_assignment(scores, 0.5, num_targets=1).tolist() == [-1, -1]


def test_optimal_assignment_has_the_largest_sum():
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores = rng.random((3, 4))
        columns = optimal_assignment(scores, 0.0)
        best = max(permutations(range(4), 3), key=lambda own: sum(scores[range(3), own]))
        assert columns.tolist() == list(best)
