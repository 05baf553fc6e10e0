"""Overlap of rotated boxes: by hand, and by what must not change it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vovtrack.evaluation.scores.regions import region_overlap
from vovtrack.evaluation.scores.single_object import overlap

DIAMOND = [5.0, -5.0, 15.0, 5.0, 5.0, 15.0, -5.0, 5.0]
"""Area 200, around the box 0, 0, 10, 10, which it holds."""


def turned(generator: np.random.Generator, count: int) -> np.ndarray:
    centre, size = generator.uniform(20, 60, (count, 2)), generator.uniform(5, 40, (count, 2))
    boxes = zip(centre.tolist(), size.tolist(), generator.uniform(0, 180, count), strict=True)
    return np.array([cv2.boxPoints(box).ravel() for box in boxes], dtype=np.float64)


def one(first, second, size=None) -> float:
    return float(region_overlap(np.array([first]), np.array([second]), size)[0])


def test_by_hand():
    assert one(DIAMOND, [0.0, 0.0, 10.0, 10.0]) == pytest.approx(100 / 200)
    assert one(DIAMOND, DIAMOND) == pytest.approx(1)
    # A quarter of the diamond, a triangle of 50, against a box of 100.
    assert one(DIAMOND, [5.0, 5.0, 10.0, 10.0]) == pytest.approx(50 / 250)
    assert one(DIAMOND, [15.0, 5.0, 9.0, 9.0]) == pytest.approx(0)
    assert one([3.0, 3.0, 0.0, 0.0], [3.0, 3.0, 0.0, 0.0]) == 0
    assert one(DIAMOND, [2.0, 2.0, 0.0, 0.0]) == 0


def test_what_lies_outside_of_the_image_does_not_count():
    assert one([-10.0, 0.0, 20.0, 10.0], [0.0, 0.0, 10.0, 10.0]) == pytest.approx(0.5)
    assert one([-10.0, 0.0, 20.0, 10.0], [0.0, 0.0, 10.0, 10.0], (50, 50)) == pytest.approx(1)
    # Of the diamond the image shows the box that it holds.
    assert one(DIAMOND, [0.0, 0.0, 10.0, 10.0], (10, 10)) == pytest.approx(1)
    assert one([60.0, 60.0, 5.0, 5.0], [60.0, 60.0, 5.0, 5.0], (50, 50)) == 0


def test_equals_the_overlap_of_upright_boxes():
    boxes = np.random.default_rng(0).uniform(1, 30, (2, 100, 4))
    assert region_overlap(*boxes) == pytest.approx(overlap(*boxes))


def test_equals_another_program():
    generator = np.random.default_rng(1)
    first, second = turned(generator, 100), turned(generator, 100)
    found = region_overlap(first, second)
    for k in range(100):
        a, b = (side[k].reshape(4, 2).astype(np.float32) for side in (first, second))
        inter = cv2.intersectConvexConvex(a, b)[0]
        union = cv2.contourArea(a) + cv2.contourArea(b) - inter
        assert found[k] == pytest.approx(inter / union, abs=1e-4)
    assert (found > 0.2).any() and (found < 1e-9).any()


def test_neither_order_nor_direction_nor_place_matters():
    generator = np.random.default_rng(2)
    first, second = turned(generator, 50), turned(generator, 50)
    found = region_overlap(first, second)
    backwards = first.reshape(-1, 4, 2)[:, ::-1].reshape(-1, 8)
    assert region_overlap(second, first) == pytest.approx(found)
    assert region_overlap(backwards, second) == pytest.approx(found)
    assert region_overlap(first + 1000, second + 1000) == pytest.approx(found)
    assert region_overlap(first * 3, second * 3) == pytest.approx(found)
