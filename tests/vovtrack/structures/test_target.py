"""What a tracker is asked to follow."""

from __future__ import annotations

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.structures import Target, Vocabulary


def test_kinds_are_what_is_given():
    assert Target().kinds == ()
    target = Target(classes="a, b", boxes=[[1, 2, 3, 4]], points=[[5, 6]])
    assert target.kinds == ("classes", "boxes", "points")
    assert target.classes == Vocabulary.from_names(["a", "b"])
    assert target.boxes.dtype == np.float32 and target.boxes.shape == (1, 4)


def test_points_without_a_frame_are_of_the_first():
    assert Target(points=[[5, 6], [7, 8]]).points.tolist() == [[0, 5, 6], [0, 7, 8]]
    assert Target(points=[[3, 5, 6]]).points.tolist() == [[3, 5, 6]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(boxes=[]), "Expected rows of boxes"),
        (dict(boxes=[1, 2, 3, 4]), "Expected rows of boxes"),
        (dict(boxes=[[1, 2, 3]]), "Expected rows of boxes"),
        (dict(boxes=[["a", 2, 3, 4]]), "are not numbers"),
        (dict(boxes=[[1, 2, np.nan, 4]]), "not finite"),
        (dict(boxes=[[1, 2, 1, 4]]), "no extent"),
        (dict(points=[[1]]), "Expected rows of points"),
        (dict(points=[[-1, 2, 3]]), "whole numbers"),
        (dict(points=[[0.5, 2, 3]]), "whole numbers"),
        (dict(classes=""), "blank"),
    ],
)
def test_what_cannot_be_followed_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        Target(**values)


def test_a_kind_that_a_tracker_cannot_use_is_refused():
    target = Target(classes="a")
    assert target.only("This tracker", "classes", "boxes") is target
    with pytest.raises(InputError, match="This tracker follows boxes or points; it cannot use cl"):
        target.only("This tracker", "boxes", "points")
    with pytest.raises(InputError, match="chooses its objects itself"):
        target.only("This tracker")


@pytest.mark.parametrize(
    "target",
    [
        Target(boxes=[[100, 0, 120, 10]]),
        Target(boxes=[[0, 0, 9, 9], [-9, 0, 0, 9]]),
        Target(points=[[100, 5]]),
        Target(points=[[2, 5, -1]]),
    ],
)
def test_what_lies_outside_of_the_frames_is_refused(target):
    with pytest.raises(InputError, match="lies outside of frames of 100x50 pixels"):
        target.check_inside(100, 50)


def test_boxes_may_stick_out_of_the_frames():
    Target(boxes=[[-5, -5, 105, 3]], points=[[7, 99, 49]]).check_inside(100, 50)
