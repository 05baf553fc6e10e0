"""HOTA against its definition, written out box by box, and at its edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vovtrack.evaluation import BoxTable
from vovtrack.evaluation.scores.frames import split_frames
from vovtrack.evaluation.scores.hota import ALPHAS, HOTA, count_hota, curves, empty_columns
from vovtrack.evaluation.scores.matching import align, match
from vovtrack.evaluation.scores.statistics import Statistics, from_videos


def boxes(rng: np.random.Generator, frames: int = 12, tracks: int = 4) -> BoxTable:
    """Wandering boxes that often overlap, some of them missing."""
    time, track = np.indices((frames, tracks)).reshape(2, -1)
    corners = 25 * track[:, None] + rng.uniform(0, 30, (len(time), 2))
    bboxes = np.hstack([corners, rng.uniform(30, 60, (len(time), 2))])
    ones = np.ones_like(time)
    kept = rng.random(len(time)) < 0.8
    return BoxTable(0 * time, time, track, ones, bboxes, 1.0 * ones).select(kept)


def followed(rng: np.random.Generator, gt: BoxTable) -> BoxTable:
    """Predictions near the ground truth that change their ids now and then."""
    tracks = gt.tracks + 10 * (gt.times > rng.integers(4, 9)) * rng.integers(0, 2, len(gt))
    bboxes = gt.bboxes + rng.uniform(-4, 4, gt.bboxes.shape)
    return replace(gt, tracks=tracks, bboxes=bboxes).select(rng.random(len(gt)) < 0.85)


def score(video) -> dict[str, np.ndarray]:
    return curves(rows([count_hota(video)]), np.zeros(1, int), 1, np.ones(1))


def rows(counted: list[dict]) -> Statistics:
    names = [f"video {k}" for k in range(len(counted))]
    single = [
        (np.zeros(1, int), {name: np.asarray(value)[None] for name, value in counts.items()})
        for counts in counted
    ]
    return from_videos(HOTA.name, names, ["object"], None, single, empty_columns())


def by_definition(gt: BoxTable, dt: BoxTable, pairs: list[tuple[int, int, float]], alpha: float):
    """HOTA equations 4 to 9 for the matched boxes ``(gt row, dt row, IoU)`` at one alpha."""
    true = [(int(gt.tracks[i]), int(dt.tracks[j])) for i, j, iou in pairs if iou >= alpha - 1e-12]
    if not true:
        return 0.0, 0.0
    accuracy = 0.0
    for c in true:
        tpa = true.count(c)
        fna = int((gt.tracks == c[0]).sum()) - tpa
        fpa = int((dt.tracks == c[1]).sum()) - tpa
        accuracy += tpa / (tpa + fna + fpa)
    return len(true) / (len(gt) + len(dt) - len(true)), accuracy / len(true)


@pytest.mark.parametrize("seed", range(5))
def test_equals_its_definition(seed):
    rng = np.random.default_rng(seed)
    gt = boxes(rng)
    dt = followed(rng, gt)
    video = split_frames(gt, dt)
    both = [frame for frame in video.frames if frame.iou.size]
    found = match(both, align(both, video.gt_counts, video.dt_counts))
    shared = [t for t in np.unique(gt.times) if (dt.times == t).any()]
    pairs = [
        (
            int(np.searchsorted(gt.times, shared[frame]) + row),
            int(np.searchsorted(dt.times, shared[frame]) + column),
            iou,
        )
        for frame, row, column, iou in zip(
            found.frame, found.row, found.column, found.iou, strict=True
        )
    ]
    scores = score(video)
    for k, alpha in enumerate(ALPHAS):
        detection, association = by_definition(gt, dt, pairs, alpha)
        assert scores["DetA"][0, k] == pytest.approx(detection, abs=1e-12)
        assert scores["AssA"][0, k] == pytest.approx(association, abs=1e-12)
        assert scores["HOTA"][0, k] == pytest.approx(np.sqrt(detection * association), abs=1e-12)


def test_without_matches_location_is_one_and_the_rest_zero():
    gt = boxes(np.random.default_rng(0), tracks=1)
    far = replace(gt, bboxes=gt.bboxes + [1000, 0, 0, 0])
    for dt in (far, gt.select(slice(0, 0))):
        scores = score(split_frames(gt, dt))
        assert (scores["LocA"] == 1).all()
        assert not any(scores[name].any() for name in ("HOTA", "DetA", "AssA", "OWTA"))


def test_alphas_above_every_overlap_have_no_hits():
    gt = boxes(np.random.default_rng(0), tracks=1)
    half = replace(gt, bboxes=gt.bboxes * [1, 1, 1, 0.5])
    counts = count_hota(split_frames(gt, half))
    assert counts["hota_tp"].tolist() == [len(gt)] * 10 + [0] * 9  # IoU 0.5 exactly counts at 0.5
    assert (counts["hota_fn"] == counts["hota_fp"]).all()


def test_videos_count_by_their_hits_and_in_any_order():
    rng = np.random.default_rng(3)
    videos = [(gt, followed(rng, gt)) for gt in (boxes(rng, 6), boxes(rng, 15), boxes(rng, 3))]
    counted = [count_hota(split_frames(*video)) for video in videos]
    summary = HOTA.summary(rows(counted))["all"]
    assert HOTA.summary(rows(counted[::-1]))["all"] == pytest.approx(summary, rel=1e-12)
    weights = np.stack([counts["hota_tp"] for counts in counted])
    single = np.stack([counts["hota_ass"][0] / counts["hota_tp"].clip(1) for counts in counted])
    expected = (weights * single).sum(0) / weights.sum(0).clip(1)
    assert summary["AssA"] == pytest.approx(100 * expected.mean())


def test_a_video_without_ground_truth_has_no_score_but_its_boxes_count():
    rng = np.random.default_rng(4)
    gt = boxes(rng)
    dt = followed(rng, gt)
    good = count_hota(split_frames(gt, dt))
    stray = count_hota(split_frames(gt.select(slice(0, 0)), dt))
    assert HOTA.per_video(rows([good, stray]))["video 1"] is None
    alone, both = (HOTA.summary(rows(r))["all"] for r in ([good], [good, stray]))
    assert both["DetPr"] < alone["DetPr"] and both["DetRe"] == alone["DetRe"]
    assert HOTA.summary(rows([stray]))["all"] is None
