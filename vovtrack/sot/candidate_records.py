"""What a tracker takes for its target in annotated videos: a file to learn matching from.

The layout is that of the file published with KeepTrack (Mayer et al., ICCV 2021, arXiv:2103.16556,
section 3.5): by name of a video, columns of frames, and which of them are of a state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from vovtrack.sot.filter_tracker import FilterTracker
from vovtrack.sot.localization import local_maxima
from vovtrack.structures import Target

NEAR, FAR = 2.0, 4.0
"""Cells within which a candidate is the target, and beyond which it is something else."""
WEAK = 0.25
"""Highest score of a frame in which the target is hard to see."""
PAIRS = ("HH", "HK", "HG")
"""States of two frames that follow each other."""


def state_of(target: ArrayLike, cells: ArrayLike, scores: ArrayLike) -> str | None:
    """How hard it is to find the target among a frame's candidates.

    Args:
        target: (2,) row and column of the scores where it is.
        cells: (N, 2) candidates, highest score first.
        scores: (N,) their scores.

    Returns:
        ``H``: it is the best one. ``K``: it is another one. ``J``: it is none. ``G``: it is the
        best one, but that is weak. None for other frames: with less than two candidates, with
        another one near the target, or nothing that is weak or strong enough.
    """
    cells, scores = np.asarray(cells, float).reshape(-1, 2), np.asarray(scores, float)
    if len(cells) < 2:
        return None
    away = np.linalg.norm(cells - np.asarray(target, float), axis=1)
    nearest, second = np.sort(away)[:2]
    strong = scores.max() >= WEAK
    if nearest > FAR:
        return "J" if strong else None
    if nearest > NEAR or second <= FAR:
        return None
    if away.argmin() == 0:
        return "H" if strong else "G"
    return "K" if strong else None


def record_video(
    tracker: FilterTracker,
    frames: Iterable[NDArray[np.uint8]],
    boxes: Mapping[int, NDArray[np.float32]],
    threshold: float = 0.05,
    window: int = 5,
) -> dict[str, Any]:
    """Follow a target, and note what could be taken for it wherever it can be seen.

    The tracker begins in the first frame that shows the target, and again where it went so far
    astray that its search area does not show it.

    Args:
        tracker: Of one target at a time.
        frames: All frames of the video, RGB.
        boxes: Number of a frame that shows the target -> its box (x1, y1, x2, y2).
        threshold: Peaks of scores above it are candidates.
        window: See :func:`local_maxima`.

    Returns:
        The columns, and ``frame_states`` and ``subseq_states`` with rows of them.
    """
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "index",
            "search_area_box",
            "target_anno_coord",
            "target_candidate_coords",
            "target_candidate_scores",
        )
    }
    astray = True
    for number, frame in enumerate(frames):
        box = boxes.get(number)
        if astray and box is None:
            continue
        if astray and box is not None:
            tracker.start(frame, Target(boxes=box[None]))
            tracker.step(frame)
            astray = False
            continue
        tracker.step(frame)
        (target,) = tracker.followed.values()
        if box is None or target.sight is None:
            continue
        scores, (x, y, w, h) = target.sight.scores, np.rint(target.sight.area.box)
        place = np.array([(box[1] + box[3]) / 2 - y, (box[0] + box[2]) / 2 - x]) / (h, w)
        at = np.rint(place * (np.array(scores.shape) - 1)).astype(int)
        astray = bool((at < 0).any() or (at >= scores.shape).any())
        if astray:
            continue
        cells, found = local_maxima(torch.from_numpy(scores), window, threshold)
        row = (number, [x, y, w, h], at.tolist(), cells.tolist(), found.tolist())
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    return {**columns, **states_of(columns)}


def states_of(columns: Mapping[str, list[Any]]) -> dict[str, dict[str, list[int]]]:
    """Rows of frames by state, and rows of the first of two frames that follow each other."""
    named = ("target_anno_coord", "target_candidate_coords", "target_candidate_scores")
    states = [state_of(*row) for row in zip(*(columns[name] for name in named), strict=True)]
    single: dict[str, list[int]] = {}
    double: dict[str, list[int]] = {}
    for row, state in enumerate(states):
        if state is not None:
            single.setdefault(state, []).append(row)
    for row, (state, after) in enumerate(zip(states, states[1:], strict=False)):
        follows = columns["index"][row + 1] == columns["index"][row] + 1
        if follows and f"{state}{after}" in PAIRS:
            double.setdefault(f"{state}{after}", []).append(row)
    return dict(frame_states=single, subseq_states=double)
