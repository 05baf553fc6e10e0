from __future__ import annotations

import numpy as np
import pytest

from vovtrack.evaluation.scores.matching import Frame, align, association, box_iou, match


def test_iou_of_known_boxes():
    first = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 0], [0, 0, 10, 10]], float)
    second = np.array([[5, 0, 10, 10], [20, 0, 5, 5], [0, 0, 10, 0], [0, 0, 5, 10]], float)
    assert box_iou(first, second) == pytest.approx([1 / 3, 0, 0, 0.5], abs=1e-15)


def test_alignment_of_two_frames_by_hand():
    iou = np.array([[0.8, 0.2]])
    frames = [
        Frame(np.array([0]), np.array([0, 1]), iou),
        Frame(np.array([0]), np.array([1]), np.ones((1, 1))),
    ]
    scores = align(frames, np.array([2]), np.array([1, 2]))
    first, second = 0.8 / 1.0, 0.2 / 1.0 + 1.0
    assert scores[0] == pytest.approx([first / (2 + 1 - first), second / (2 + 2 - second)])


def test_global_alignment_outweighs_the_better_overlap_of_one_frame():
    pair = np.array([0, 1])
    consistent = Frame(np.array([0]), pair, np.array([[0.6, 0.0]]))
    lure = Frame(np.array([0]), pair, np.array([[0.6, 0.7]]))
    frames = [consistent] * 5 + [lure]
    found = match(frames, align(frames, np.array([6]), np.array([6, 6])))
    assert found.dt.tolist() == [0] * 6 and found.frame.tolist() == list(range(6))


def test_association_counts_by_hand():
    ids = np.zeros(3, dtype=int)
    frames = [Frame(ids[:1], np.array([d]), np.ones((1, 1))) for d in (0, 0, 1)]
    counts = np.array([3]), np.array([2, 1])
    found = match(frames, align(frames, *counts))
    scores = association(found, np.ones((3, 1), bool), *counts)
    accuracy = (2 * 2 / 3 + 1 * 1 / 3) / 3
    assert scores[:, 0] == pytest.approx([accuracy, (4 / 3 + 1 / 3) / 3, (4 / 2 + 1) / 3])


def test_nothing_to_match():
    found = match([], np.zeros((0, 0)))
    assert len(found.iou) == 0
    assert (
        association(found, np.zeros((0, 4), bool), np.zeros(0), np.zeros(0)).tolist()
        == [[0] * 4] * 3
    )
