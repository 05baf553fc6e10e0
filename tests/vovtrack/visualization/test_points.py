"""Drawn points: visible and hidden ones differ, and trails have gaps."""

from __future__ import annotations

import numpy as np

from vovtrack.structures.points import PlacedPoints
from vovtrack.visualization.palette import track_color
from vovtrack.visualization.points import HIDDEN_COLOR, PointPainter

FRAME = np.zeros((200, 300, 3), np.uint8)


def placed(points, visible, followed=None):
    points = np.array(points, dtype=np.float32)
    visible = np.array(visible)
    followed = np.ones(len(points), dtype=bool) if followed is None else np.array(followed)
    return PlacedPoints(points, visible & followed, visible.astype(np.float32), followed)


def near(drawn, place, color, reach=8, slack=40):
    x, y = place
    patch = drawn[y - reach : y + reach + 1, x - reach : x + reach + 1].astype(int)
    return int((np.abs(patch - np.array(color)).max(axis=2) < slack).sum())


def test_a_disc_for_visible_and_a_crossed_ring_for_hidden_points():
    drawn = PointPainter().draw(FRAME, placed([[50, 60], [150, 60]], [True, False]))
    assert not FRAME.any()
    assert near(drawn, (50, 60), track_color(0), reach=1) == 9
    assert near(drawn, (50, 60), HIDDEN_COLOR) == 0
    assert near(drawn, (150, 60), HIDDEN_COLOR) >= 3 and near(drawn, (150, 60), track_color(1)) >= 3
    assert near(drawn, (150, 60), track_color(1), reach=1) == 0


def test_a_point_that_is_not_followed_yet_is_not_drawn():
    drawn = PointPainter().draw(FRAME, placed([[50, 60]], [True], followed=[False]))
    assert not drawn.any()


def test_a_trail_has_a_gap_where_the_point_was_hidden_and_forgets():
    painter = PointPainter(length=4)
    for x, seen in ((20, True), (60, True), (100, False), (140, True), (180, True)):
        drawn = painter.draw(FRAME, placed([[x, 100]], [seen]))
    drawn_near = {x: drawn[95:106, x - 3 : x + 4].any() for x in (40, 100, 160)}
    # Longer ago than the trail; hidden; between two visible places.
    assert drawn_near == {40: False, 100: False, 160: True}


def test_points_far_outside_or_without_number_are_drawn_nowhere():
    places = [[1e9, 5], [-1e9, 5], [np.inf, 5], [5e4, 5e4]]
    assert not PointPainter().draw(FRAME, placed(places, [True] * 4)).any()
