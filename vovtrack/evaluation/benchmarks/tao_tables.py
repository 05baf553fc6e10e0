"""TAO files as tables of boxes: ground truth, and the predictions that can be evaluated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.formats.faults import EXAMPLES, InputFaults
from vovtrack.formats.tao.annotations import merged_categories
from vovtrack.formats.tao.results import NO_VIDEO, TaoResults
from vovtrack.structures import Vocabulary


def videos_by_id(annotations: dict[str, Any]) -> list[dict[str, Any]]:
    """The videos in the order in which the TAO toolkit pools their tracks."""
    return sorted(annotations["videos"], key=itemgetter("id"))


class Images:
    """Looks up video (by position) and time of images."""

    def __init__(self, annotations: dict[str, Any]) -> None:
        position = {video["id"]: k for k, video in enumerate(videos_by_id(annotations))}
        rows = [
            (image["id"], position[image["video_id"]], image["frame_index"])
            for image in annotations["images"]
        ]
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self.ids, self.videos, self.times = table[np.argsort(table[:, 0])].T
        self.video_ids = np.array(list(position), dtype=np.int64)

    def find(self, image_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the position of each image and whether it exists."""
        place = np.searchsorted(self.ids, image_ids).clip(max=len(self.ids) - 1)
        return place, self.ids[place] == image_ids


def ground_truth(annotations: dict[str, Any], images: Images) -> BoxTable:
    """The annotated boxes, merged categories joined, sorted by video and time."""
    rows = annotations["annotations"]
    place, _ = images.find(np.array([row["image_id"] for row in rows], dtype=np.int64))
    categories = np.array([row["category_id"] for row in rows], dtype=np.int64)
    return BoxTable(
        videos=images.videos[place],
        times=images.times[place],
        tracks=np.array([row["track_id"] for row in rows], dtype=np.int64),
        categories=_merge(categories, merged_categories(annotations["categories"])),
        bboxes=np.array([row["bbox"] for row in rows], dtype=np.float64).reshape(-1, 4),
        scores=np.ones(len(rows)),
    ).sorted()


@dataclass(frozen=True)
class Predictions:
    """Turns results into the boxes that can be evaluated and reports the others."""

    images: Images
    merged: dict[int, int]
    allowed: Vocabulary
    problems: InputFaults
    source: Path

    def table(self, results: TaoResults, max_detections: int | None) -> BoxTable:
        """The sound predictions, sorted by video and time.

        Args:
            results: Rows of a result file.
            max_detections: Keep that many boxes of highest score per image; None keeps all.
        """
        place, known = self.images.find(results.image_ids)
        categories = _merge(results.category_ids, self.merged)
        videos = self.images.video_ids[self.images.videos[place]]
        stated = results.video_ids != NO_VIDEO
        good = np.ones(len(results), dtype=bool)
        for bad, reason in (
            (~known, "its image is not in the annotations"),
            (known & stated & (results.video_ids != videos), "its image is of another video"),
            (~np.isin(categories, self.allowed.category_ids), "its category is not evaluated"),
            (_repeated(results), "its track already has a box in this image"),
        ):
            self._report(np.flatnonzero(bad & good), results, reason)
            good &= ~bad
        results = replace(results, category_ids=categories).select(good)
        if max_detections is not None:
            results = _keep_highest(results, max_detections)
        place, _ = self.images.find(results.image_ids)
        return BoxTable(
            videos=self.images.videos[place],
            times=self.images.times[place],
            tracks=results.track_ids,
            categories=results.category_ids,
            bboxes=results.bboxes,
            scores=results.scores,
        ).sorted()

    def _report(self, rows: np.ndarray, results: TaoResults, reason: str) -> None:
        named, rest = rows[: EXAMPLES - 1], rows[EXAMPLES - 1 :]
        for row, count in [(row, 1) for row in named] + [(row, len(rest)) for row in rest[:1]]:
            video = int(results.video_ids[row])
            record = (
                f"result {results.positions[row]} (image {results.image_ids[row]}, "
                f"video {'not given' if video == NO_VIDEO else video}, "
                f"category {results.category_ids[row]}, track {results.track_ids[row]})"
            )
            hint = "were the results made for these annotations?"
            self.problems.report(self.source, record, f"{reason}; {hint}", count)


def _repeated(results: TaoResults) -> np.ndarray:
    """Which rows have the image and the track of an earlier row: (N,) bool."""
    order = np.lexsort((results.track_ids, results.image_ids))
    keys = np.stack([results.image_ids, results.track_ids])[:, order]
    repeated = np.zeros(len(results), dtype=bool)
    repeated[order[1:]] = (keys[:, 1:] == keys[:, :-1]).all(axis=0)
    return repeated


def _merge(category_ids: np.ndarray, merged: dict[int, int]) -> np.ndarray:
    category_ids = category_ids.copy()
    for dropped, kept in merged.items():
        category_ids[category_ids == dropped] = kept
    return category_ids


def _keep_highest(results: TaoResults, limit: int) -> TaoResults:
    """Keep the ``limit`` highest scores of each image, in order of score where any are dropped."""
    by_image = np.argsort(results.image_ids, kind="stable")
    _, first, counts = np.unique(results.image_ids[by_image], return_index=True, return_counts=True)
    kept = []
    for start, count in zip(first, counts, strict=True):
        rows = by_image[start : start + count]
        if count > limit:
            rows = rows[np.argsort(-results.scores[rows], kind="stable")[:limit]]
        kept.append(rows)
    return results.select(np.concatenate(kept) if kept else by_image)
