"""Scales of search areas while a target is lost."""

from __future__ import annotations

import pytest

from vovtrack.sot.widening import ScaleHistory, WideningSettings


def test_recent_scales_that_were_not_smaller():
    history = ScaleHistory(WideningSettings())
    for scale in (1.0, 3.0, 2.0, 4.0, 2.5):
        assert history.next_scale(scale, found=True) is None
    wanted = [(2.5 + 4) / 2, (2.5 + 4) / 2, (2.5 + 4 + 3) / 3, (2.5 + 4 + 3) / 3]
    found = [history.next_scale(9.0, found=False) for _ in wanted]
    assert found == pytest.approx(wanted) and history.lost == 4
    assert history.next_scale(0.5, found=True) is None and history.lost == 0
    assert history.next_scale(9.0, found=False) == pytest.approx((0.5 + 2.5) / 2)


def test_history_ends():
    history = ScaleHistory(WideningSettings(history=3, most=2))
    for scale in (9.0, 2.0, 3.0, 1.0):
        history.next_scale(scale, found=True)
    found = [history.next_scale(1.0, found=False) for _ in range(4)]
    assert found == pytest.approx([2.0] * 4)


def test_all_lost_frames_of_a_video_may_count():
    history = ScaleHistory(WideningSettings(forgets=False))
    for _ in range(3):
        assert history.next_scale(1.0, found=False) is None, "it was never found"
    for scale in (4.0, 3.0, 2.0, 1.0):
        history.next_scale(scale, found=True)
    assert history.next_scale(1.0, found=False) == pytest.approx((1 + 2 + 3 + 4) / 4)
