"""Two frames' candidates to learn matching from, of which it is known who is who.

KeepTrack learns from two kinds of pairs (Mayer et al., ICCV 2021, arXiv:2103.16556, section 3.5).
Two views of one frame are made, and all partners are known. Of two frames of a video only the
target is known, and all others are ignored. All draws are made in the released order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from vovtrack.sot.models.keep_track import candidate_points
from vovtrack.sot.models.matching_loss import ALONE, IGNORED


@dataclass(frozen=True)
class PairSettings:
    """How pairs are made.

    Attributes:
        side: Cells of a side of the scores.
        count: Candidates of each frame; missing ones are made up, weaker ones are left out. None
            to take what there is.
        jitter: How far the search area of a second view may differ, as a share of its size.
        drop: Most of a view's candidates that are left out of one of both, as a share.
        drop_target: Probability that the target is left out of one frame of a video.
        tries: Of so many random places, a candidate that is made up takes the loneliest.
        weakest, spread: A candidate that is made up scores at least this, and up to that more.
        score_noise: Deviation of the scores of a second view.
        least_score: They are not below.
        rival, similar: If the two best scores are above the first and of at least this ratio, their
            order may change in a second view.
    """

    side: int = 23
    count: int | None = 5
    jitter: float = 0.01
    drop: float = 0.25
    drop_target: float = 0.25
    tries: int = 20
    weakest: float = 0.05
    spread: float = 0.025
    score_noise: float = 0.1
    least_score: float = 0.075
    rival: float = 0.2
    similar: float = 0.5


@dataclass(frozen=True)
class FrameCandidates:
    """What was seen of a target in a frame.

    Attributes:
        area: (4,) search area (x, y, w, h) in pixels of the frame.
        cells: (N, 2) rows and columns of candidates in the scores, highest score first.
        scores: (N,) their scores.
        points: (N, 2) rows and columns in pixels of the frame.
        real: (N,) whether there is such a candidate; others are made up.
    """

    area: NDArray[np.float32]
    cells: NDArray[np.int64]
    scores: NDArray[np.float32]
    points: NDArray[np.float32]
    real: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        area: NDArray[np.float32],
        cells: NDArray[np.int64],
        scores: NDArray[np.float32],
        settings: PairSettings,
    ) -> FrameCandidates:
        """The best ones of a frame."""
        cells, scores = cells[: settings.count], scores[: settings.count]
        shape = (settings.side, settings.side)
        points = candidate_points(torch.as_tensor(cells), shape, torch.as_tensor(area)).numpy()
        return cls(area, cells, scores.copy(), points, np.ones(len(cells), bool))


@dataclass(frozen=True)
class CandidatePair:
    """Candidates of two frames.

    Attributes:
        first: Of the first frame.
        second: Of the second.
        partners: Of the candidates of both, see :mod:`vovtrack.sot.models.matching_loss`.
    """

    first: FrameCandidates
    second: FrameCandidates
    partners: tuple[NDArray[np.int64], NDArray[np.int64]]


def jitter_area(
    area: NDArray[np.float32], share: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Another search area (4,), whose place and size differ by whole pixels."""
    moved = area.copy()
    for index, size in enumerate(np.tile(area[2:], 2)):
        reach = float(size) * share
        low, high = -math.ceil(reach), math.floor(reach) + 1
        moved[index] += int(rng.integers(low, high))
    return moved


def views_of(
    frame: FrameCandidates,
    area: NDArray[np.float32],
    shape: tuple[int, int],
    settings: PairSettings,
    rng: np.random.Generator,
) -> CandidatePair:
    """Two views of one frame: in the second, candidates have other scores and places.

    Args:
        frame: The frame.
        area: Search area of the second view.
        shape: (H, W) of the frame.
        settings: How they differ.
        rng: What is drawn from.
    """
    second = replace(frame, area=area, scores=frame.scores.copy(), points=frame.points.copy())
    views, partners = _drop_some([frame, second], settings, rng)
    views = _pad(views, True, shape, settings, rng)
    missing = len(views[0].scores) - len(partners)
    known = np.concatenate([partners, np.full(missing, ALONE)])
    first, second = views
    second = replace(second, points=_moved(second, shape, settings, rng))
    intact = bool(first.real.sum() == second.real.sum() == len(frame.scores))
    scores = second.scores.copy()
    scores[second.real] = _noisy(scores[second.real], intact, settings, rng)
    return CandidatePair(first, replace(second, scores=scores), (known, known.copy()))


def frames_of(
    frames: tuple[FrameCandidates, FrameCandidates],
    targets: tuple[int, int],
    shape: tuple[int, int],
    settings: PairSettings,
    rng: np.random.Generator,
) -> CandidatePair:
    """Two frames of a video, in which the target's candidates are known.

    Args:
        frames: The frames.
        targets: The target's candidate in each.
        shape: (H, W) of the frames.
        settings: How many candidates, and whether the target is left out of a frame.
        rng: What is drawn from.
    """
    views = list(frames)
    dropped = None
    if settings.count is not None:
        if rng.random(1)[0] < settings.drop_target:
            dropped = int(rng.integers(0, 2))
            views[dropped] = _without(views[dropped], [targets[dropped]])
        else:
            rng.integers(0, 2)
        views = _pad(views, False, shape, settings, rng)
    partners = [np.full(len(view.scores), IGNORED) for view in views]
    for frame, other in ((0, 1), (1, 0)):
        if dropped is None:
            partners[frame][targets[frame]] = targets[other]
        elif dropped == other:
            partners[frame][targets[frame]] = ALONE
    return CandidatePair(views[0], views[1], (partners[0], partners[1]))


def _drop_some(
    views: list[FrameCandidates],
    settings: PairSettings,
    rng: np.random.Generator,
) -> tuple[list[FrameCandidates], NDArray[np.int64]]:
    """Leave some candidates out of one view; they are alone in both, of which one is made up."""
    total = len(views[0].scores)
    count = round(float(settings.drop * total * rng.random(1)[0]))
    chosen = rng.permutation(total)[:count]
    view = int(rng.random(1)[0] >= 0.5)
    views[view] = _without(views[view], chosen)
    partners = np.arange(total)
    partners[chosen] = ALONE
    return views, partners


def _without(frame: FrameCandidates, rows: list[int] | NDArray[np.int64]) -> FrameCandidates:
    real = frame.real.copy()
    real[rows] = False
    return replace(frame, real=real)


def _pad(
    views: list[FrameCandidates],
    one_scene: bool,
    shape: tuple[int, int],
    settings: PairSettings,
    rng: np.random.Generator,
) -> list[FrameCandidates]:
    """Make up candidates that are missing: first all places, then the scores of both frames.

    What was left out is replaced first, elsewhere. Views of one scene are filled in turns, and no
    place is taken twice; else frames are filled one after the other.
    """
    assert settings.count is not None
    left_out = [(row, k) for k, view in enumerate(views) for row in np.flatnonzero(~view.real)]
    added = [(row, k) for k, v in enumerate(views) for row in range(len(v.real), settings.count)]
    taken = [list(view.points) for view in views]
    if one_scene:
        taken, added = [taken[0] + taken[1]] * 2, sorted(added)
    views = [_extended(view, settings.count) for view in views]
    for row, k in left_out + added:
        _place(views[k], np.stack(taken[k]), int(row), shape, settings, rng)
        taken[k].append(views[k].points[row])
    for view in views:
        noise = np.abs(rng.standard_normal(int((~view.real).sum())))
        view.scores[~view.real] = settings.weakest + np.minimum(noise / 50, settings.spread)
    return views


def _extended(frame: FrameCandidates, count: int) -> FrameCandidates:
    """A copy with so many candidates, of which those that are added are to be made up."""
    more = count - len(frame.real)

    def longer(values: NDArray) -> NDArray:
        return np.concatenate([values, np.zeros((more, *values.shape[1:]), values.dtype)])

    return FrameCandidates(
        frame.area,
        longer(frame.cells),
        longer(frame.scores),
        longer(frame.points),
        longer(frame.real),
    )


def _place(
    frame: FrameCandidates,
    others: NDArray[np.float32],
    row: int,
    shape: tuple[int, int],
    settings: PairSettings,
    rng: np.random.Generator,
) -> None:
    """Put a candidate far from others (M, 2), in the frame's own arrays."""
    start, size = frame.area[1::-1], frame.area[:1:-1]
    low, high = np.maximum(start, 0), np.minimum(start + size, shape)
    drawn = np.concatenate([rng.random((settings.tries, 1)) for _ in range(2)], axis=1)
    places = low + drawn * (high - low)
    away = np.linalg.norm(places[:, None] - others, axis=-1)
    frame.points[row] = places[away.min(axis=1, initial=np.inf).argmax()]
    frame.cells[row] = np.rint((frame.points[row] - start) / size * (settings.side - 1))


def _moved(
    frame: FrameCandidates,
    shape: tuple[int, int],
    settings: PairSettings,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Places that differ by chance, by less than would make candidates change places."""
    points = frame.points
    cell = frame.area[:1:-1] / settings.side
    away = np.linalg.norm(points[:, None] - points, axis=-1)
    apart = away[away > 0]
    reach = np.minimum(math.sqrt(2) * apart.min() / 4, cell) if len(apart) else cell / 2
    columns, rows = (rng.random(len(points)) for _ in range(2))
    moved = points + (2 * np.stack([rows, columns], axis=1) - 1) * reach
    return moved.clip(0, np.array(shape)).astype(np.float32)


def _noisy(
    scores: NDArray[np.float32], intact: bool, settings: PairSettings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Other scores of real candidates, in their order but maybe for the two best."""
    noise = settings.score_noise * rng.standard_normal(len(scores))
    changed = -np.sort(-(scores + noise))
    if intact and len(scores) > 2:
        best, second = scores[:2]
        if second > settings.rival and second > settings.similar * best:
            kind = int(rng.integers(0, 3))
            closer = sorted([best - abs(noise[0]), second + abs(noise[1])])
            if kind:
                changed[:2] = closer[::-1] if kind == 1 else closer
    return np.maximum(changed, settings.least_score).astype(np.float32)
