"""The published way to compute TETA, written for comparison only.

Every class prepares every video again, frame by frame, and renumbers its ids; every frame is
matched by itself and every threshold is counted in a loop. The numbers are those of
``vovtrack.evaluation.scores.teta``.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.evaluation.scores.matching import EPS, box_iou
from vovtrack.evaluation.scores.teta import CLS_START, LOC_ALPHAS, OVERLAP

Step = dict  # gt_ids, gt_classes, dt_ids, dt_classes, iou


def read_video(gt: BoxTable, dt: BoxTable) -> list[Step]:
    """Frames of one video that have ground truth, in order."""
    steps = []
    for time in np.unique(gt.times):
        g, d = gt.select(gt.times == time), dt.select(dt.times == time)
        steps.append(
            dict(
                gt_ids=g.tracks,
                gt_classes=g.categories,
                dt_ids=d.tracks,
                dt_classes=d.categories,
                iou=box_iou(g.bboxes[:, None], d.bboxes[None]),
            )
        )
    for step, owner in zip(steps, find_owners(steps), strict=True):
        step["owner"] = owner
    return steps


def align_and_match(steps: list[Step]) -> tuple[list[tuple], np.ndarray, np.ndarray]:
    """Global alignment and matching of some steps: matched pairs per step, track lengths."""
    gt_names = np.unique(np.concatenate([s["gt_ids"] for s in steps]))
    dt_names = np.unique(np.concatenate([s["dt_ids"] for s in steps]))
    shared = np.zeros((len(gt_names), len(dt_names)))
    gt_count, dt_count = np.zeros(len(gt_names)), np.zeros(len(dt_names))
    for step in steps:
        step["g"] = np.searchsorted(gt_names, step["gt_ids"])
        step["d"] = np.searchsorted(dt_names, step["dt_ids"])
        iou = step["iou"]
        total = iou.sum(0)[None] + iou.sum(1)[:, None] - iou
        weight = np.zeros_like(iou)
        weight[total > EPS] = iou[total > EPS] / total[total > EPS]
        shared[step["g"][:, None], step["d"][None]] += weight
        gt_count[step["g"]] += 1
        dt_count[step["d"]] += 1
    alignment = shared / (gt_count[:, None] + dt_count[None] - shared)
    found = []
    for step in steps:
        score = alignment[step["g"][:, None], step["d"][None]] * step["iou"]
        found.append(linear_sum_assignment(-score))
    return found, gt_count, dt_count


def find_owners(steps: list[Step]) -> list[dict[int, int]]:
    """Class that each track owns in each step."""
    near = [np.unique(s["dt_ids"][(s["iou"] >= OVERLAP).any(0)]) for s in steps]
    kept_ids = np.unique(np.concatenate(near)) if near else np.zeros(0)
    owners: list[dict[int, int]] = [{} for _ in steps]
    if not len(kept_ids):
        return owners
    kept = [_keep(s, np.ones(len(s["gt_ids"]), bool), kept_ids) for s in steps]
    matched, _, _ = align_and_match(kept)
    for owner, step, (rows, columns) in zip(owners, kept, matched, strict=True):
        for row, column in zip(rows, columns, strict=True):
            if step["iou"][row, column] >= OVERLAP - EPS:
                owner[int(step["dt_ids"][column])] = int(step["gt_classes"][row])
    return owners


def _keep(step: Step, gt_rows: np.ndarray, dt_ids: np.ndarray) -> Step:
    columns = np.isin(step["dt_ids"], dt_ids)
    return dict(
        gt_ids=step["gt_ids"][gt_rows],
        gt_classes=step["gt_classes"][gt_rows],
        dt_ids=step["dt_ids"][columns],
        dt_classes=step["dt_classes"][columns],
        iou=np.asfortranarray(step["iou"][gt_rows][:, columns]),
    )


def prepare(steps: list[Step], category: int) -> tuple[list[Step], list[np.ndarray]]:
    """The cluster of one class in one video."""
    overlapping = []
    for step in steps:
        owner, rows = step["owner"], step["gt_classes"] == category
        ids = np.unique(step["dt_ids"][(step["iou"][rows] >= OVERLAP).any(0)])
        overlapping.append(np.array([i for i in ids if owner.get(int(i), category) == category]))
    members = np.unique(np.concatenate(overlapping)) if overlapping else np.zeros(0)
    kept = [_keep(s, s["gt_classes"] == category, members) for s in steps]
    return kept, overlapping


def count_class(steps: list[Step], category: int, totals: dict[str, np.ndarray]) -> None:
    """Add one class of one video to its counters, threshold by threshold."""
    kept, overlapping = prepare(steps, category)
    if not sum(len(s["gt_ids"]) for s in kept):
        return
    if not sum(len(ids) for ids in overlapping):
        totals["loc_fn"] += sum(len(s["gt_ids"]) for s in kept)
        return
    matched, gt_count, dt_count = align_and_match(kept)
    for a, alpha in enumerate(LOC_ALPHAS):
        pairs = np.zeros((len(gt_count), len(dt_count)))
        tp = 0
        for step, ids, (rows, columns) in zip(kept, overlapping, matched, strict=True):
            if not len(step["gt_ids"]):
                continue
            good = step["iou"][rows, columns] >= alpha - EPS
            rows, columns = rows[good], columns[good]
            tp += len(rows)
            totals["loc_fn"][a] += len(step["gt_ids"]) - len(rows)
            totals["loc_fp"][a] += len(np.setdiff1d(ids, step["dt_ids"][columns]))
            pairs[step["g"][rows], step["d"][columns]] += 1
            if a >= CLS_START:
                right = int((step["dt_classes"][columns] == category).sum())
                totals["cls_tp"][a - CLS_START] += right
                totals["cls_fn"][a - CLS_START] += len(columns) - right
        totals["loc_tp"][a] += tp
        union = np.maximum(1, gt_count[:, None] + dt_count[None] - pairs)
        totals["assoc"][a] += (pairs * pairs / union).sum()


def reference_counts(
    gt: BoxTable, dt: BoxTable, videos: int, category_ids: np.ndarray
) -> dict[str, np.ndarray]:
    """Counters of every class: {name: (C, thresholds)}; both tables sorted."""
    widths = dict(loc_tp=20, loc_fn=20, loc_fp=20, cls_tp=10, cls_fn=10, assoc=20)
    totals = {name: np.zeros((len(category_ids), width)) for name, width in widths.items()}
    read = [read_video(gt.video(video), dt.video(video)) for video in range(videos)]
    for k, category in enumerate(category_ids):
        for steps in read:
            count_class(steps, int(category), {name: rows[k] for name, rows in totals.items()})
    return totals
