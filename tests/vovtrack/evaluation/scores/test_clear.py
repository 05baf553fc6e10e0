"""CLEAR on hand-made videos of which every number is known."""

from __future__ import annotations

import numpy as np
import pytest

from vovtrack.evaluation import BoxTable
from vovtrack.evaluation.scores.clear import CLEAR, COLUMNS, count_clear
from vovtrack.evaluation.scores.frames import split_frames
from vovtrack.evaluation.scores.statistics import Statistics, from_videos


def boxes(*rows: tuple[int, int, float]) -> BoxTable:
    """Boxes of 100 by 100 pixels from ``(time, track, x)``."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    whole = table[:, :2].astype(np.int64)
    bboxes = np.column_stack([table[:, 2], 0 * table[:, 2], np.full((len(table), 2), 100.0)])
    zero = 0 * whole[:, 0]
    return BoxTable(zero, whole[:, 0], whole[:, 1], zero, bboxes, zero + 1.0).sorted()


def counted(gt: BoxTable, dt: BoxTable, frames: int = 10) -> dict[str, float]:
    return count_clear(split_frames(gt, dt), frames)


def rows(*counts: dict[str, float]) -> Statistics:
    single = [
        (np.zeros(1, int), {name: np.array([value]) for name, value in count.items()})
        for count in counts
    ]
    names = [f"video {k}" for k in range(len(counts))]
    empty = {name: np.zeros(0) for name in COLUMNS}
    return from_videos(CLEAR.name, names, ["object"], None, single, empty)


def test_the_pair_of_the_previous_frame_goes_before_a_better_overlap():
    gt = boxes((0, 1, 0), (1, 1, 0), (2, 1, 0))
    dt = boxes((0, 5, 0), (1, 5, 30), (1, 6, 0), (2, 5, 60), (2, 6, 0))
    found = counted(gt, dt)
    # Frame 1 keeps 5 (IoU 70/130), frame 2 cannot (IoU 40/160) and switches to 6.
    assert (found["tp"], found["fp"], found["idsw"]) == (3, 2, 1)
    assert found["iou"] == pytest.approx(1 + 70 / 130 + 1)


def test_exactly_half_an_overlap_is_a_match():
    third = 100 / 3  # two boxes shifted by a third of their width overlap by a half
    assert counted(boxes((0, 1, 0)), boxes((0, 5, third)))["tp"] == 1
    assert counted(boxes((0, 1, 0)), boxes((0, 5, third + 1e-9)))["tp"] == 0


@pytest.mark.parametrize(
    ("seen", "expected"),
    [(10, "mt"), (9, "mt"), (8, "pt"), (2, "pt"), (1, "ml"), (0, "ml")],
)
def test_tracked_shares_at_their_bounds(seen, expected):
    gt = boxes(*((t, 1, 0) for t in range(10)))
    dt = boxes(*((t, 5, 0) for t in range(seen)), (9, 6, 500))
    found = counted(gt, dt)
    assert [name for name in ("mt", "pt", "ml") if found[name]] == [expected]


def test_fragments_are_new_starts_and_switches_need_another_track():
    gt = boxes(*((t, 1, 0) for t in range(7)), *((t, 2, 500) for t in range(7)))
    dt = boxes(
        *((t, 5, 0) for t in (0, 2, 3, 6)),  # lost in 1, 4 and 5, found again with its id
        *((t, 6, 500) for t in range(7)),
    )
    found = counted(gt, dt)
    assert (found["frag"], found["idsw"], found["fn"]) == (2, 0, 3)
    dt = boxes(*((t, 5 + t // 4, 0) for t in (0, 2, 3, 6)), *((t, 8, 500) for t in range(7)))
    assert counted(gt, dt)["idsw"] == 1


def test_frames_with_one_side_only_count_boxes_and_keep_the_memory():
    gt = boxes((0, 1, 0), (1, 1, 0), (3, 1, 0))
    dt = boxes((0, 5, 0), (2, 5, 0), (3, 5, 0))
    found = counted(gt, dt)
    assert {k: found[k] for k in ("tp", "fn", "fp", "idsw", "frag")} == dict(
        tp=2, fn=1, fp=1, idsw=0, frag=0
    )


def test_scores_of_known_counts():
    gt = boxes(*((t, 1, 0) for t in range(10)))
    dt = boxes(*((t, 5 + t // 5, 0) for t in range(8)), (9, 9, 700))
    scores = CLEAR.summary(rows(counted(gt, dt)))["all"]
    assert (scores["TP"], scores["FN"], scores["FP"], scores["IDSW"]) == (8, 2, 1, 1)
    assert scores["MOTA"] == pytest.approx(60) and scores["MODA"] == pytest.approx(70)
    assert scores["MOTP"] == pytest.approx(100) and scores["Re"] == pytest.approx(80)
    assert scores["Pr"] == pytest.approx(100 * 8 / 9)
    assert scores["F1"] == pytest.approx(100 * 8 / 9.5)


def test_a_video_without_ground_truth_has_no_score_but_its_boxes_count():
    gt, dt = boxes((0, 1, 0), (1, 1, 0)), boxes((0, 5, 0), (1, 5, 0))
    both = rows(counted(gt, dt), counted(boxes(), dt))
    assert CLEAR.per_video(both)["video 1"] is None
    summary = CLEAR.summary(both)["all"]
    assert summary["FP"] == 2 and summary["MOTA"] == 0
