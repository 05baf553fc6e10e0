"""TETA of a TAO result file against a TAO annotation file."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.evaluation.boxes import BoxTable
from vovtrack.evaluation.teta import COLUMNS, TetaResult, teta
from vovtrack.formats.hashing import file_sha256
from vovtrack.formats.tao import merged_categories, read_annotations
from vovtrack.formats.tao_results import NO_VIDEO, TaoResults, read_results
from vovtrack.structures import Vocabulary
from vovtrack.structures.vocabulary import from_categories

GROUPS = ("all", "base", "novel")


def evaluate_tao(
    gt_path: str | Path, pred_path: str | Path, max_detections: int | None = None
) -> dict[str, Any]:
    """Evaluate a result file and say exactly what was evaluated.

    Args:
        gt_path: TAO annotation JSON. Novel are its classes of ``frequency`` "r".
        pred_path: TAO result JSON.
        max_detections: Keep that many boxes of highest score per image; default: all.

    Returns:
        JSON-ready dict. ``summary`` and ``summary_rounded``: group (all, base, novel) to TETA
        columns in points, None where a group has no ground truth; the rounded one averages
        printed values, as published tables do. ``per_class``: name to columns. ``protocol``:
        file hashes, class counts, versions.

    Raises:
        InputError: A file cannot be used, or a prediction speaks of an image, video or category
            that the annotations do not have, or uses a track id twice in one image.
    """
    annotations = read_annotations(gt_path)
    vocabulary = from_categories(annotations["categories"], str(gt_path))
    result = teta_of_tao(
        annotations, read_results(pred_path), vocabulary, max_detections, pred_path
    )
    evaluated = {
        "all": len(result.names),
        "base": int((~result.novel).sum()),
        "novel": int(result.novel.sum()),
    }
    return {
        "metric": "TETA",
        "summary": {group: result.summary(group) for group in GROUPS},
        "summary_rounded": {group: result.summary(group, rounded=True) for group in GROUPS},
        "per_class": _per_class(result),
        "protocol": {
            "annotations": str(gt_path),
            "annotations_sha256": file_sha256(gt_path),
            "predictions": str(pred_path),
            "predictions_sha256": file_sha256(pred_path),
            "vocabulary": vocabulary.fingerprint,
            "classes": len(vocabulary),
            "classes_evaluated": evaluated,
            "max_detections": max_detections,
            "vovtrack": _version(),
            "numpy": np.__version__,
        },
    }


def _per_class(result: TetaResult) -> dict[str, dict[str, float]]:
    """Points of every evaluated class: {name: {column: points}}."""
    rows = result.per_class().tolist()
    return {
        name: dict(zip(COLUMNS, row, strict=True))
        for name, row in zip(result.names, rows, strict=True)
    }


def teta_of_tao(
    annotations: dict[str, Any],
    results: TaoResults,
    vocabulary: Vocabulary,
    max_detections: int | None = None,
    source: str | Path = "predictions",
) -> TetaResult:
    """TETA of results in columns against the content of a TAO annotation file.

    Args:
        annotations: What :func:`vovtrack.formats.tao.read_annotations` returned.
        results: Predictions.
        vocabulary: The categories of the annotations.
        max_detections: See :func:`evaluate_tao`.
        source: Name of the predictions, for messages.

    Raises:
        InputError: See :func:`evaluate_tao`.
    """
    merged = merged_categories(annotations["categories"])
    images = _Images(annotations)
    gt = _ground_truth(annotations, images, merged)
    if max_detections is not None:
        results = _keep_highest(results, max_detections)
    dt = _predictions(results, images, vocabulary, merged, source)
    return teta(gt, dt, np.array(vocabulary.category_ids), vocabulary.names, vocabulary.novel)


class _Images:
    """Looks up the video and the time of images."""

    def __init__(self, annotations: dict[str, Any]) -> None:
        rows = [(i["id"], i["video_id"], i["frame_index"]) for i in annotations["images"]]
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self.ids, self.videos, self.times = table[np.argsort(table[:, 0])].T

    def find(self, image_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the position of each image and whether it exists."""
        place = np.searchsorted(self.ids, image_ids).clip(max=max(0, len(self.ids) - 1))
        known = self.ids[place] == image_ids if len(self.ids) else np.zeros(len(image_ids), bool)
        return place, known


def _ground_truth(annotations: dict[str, Any], images: _Images, merged: dict[int, int]) -> BoxTable:
    rows = annotations["annotations"]
    place, _ = images.find(np.array([row["image_id"] for row in rows], dtype=np.int64))
    return BoxTable(
        videos=images.videos[place],
        times=images.times[place],
        tracks=np.array([row["track_id"] for row in rows], dtype=np.int64),
        categories=_merge(np.array([row["category_id"] for row in rows], dtype=np.int64), merged),
        bboxes=np.array([row["bbox"] for row in rows], dtype=np.float64).reshape(-1, 4),
    )


def _predictions(
    results: TaoResults,
    images: _Images,
    vocabulary: Vocabulary,
    merged: dict[int, int],
    source: str | Path,
) -> BoxTable:
    place, known = images.find(results.image_ids)
    _refuse(~known, results, source, "its image is not in the annotations")
    videos = images.videos[place]
    _refuse(
        (results.video_ids != NO_VIDEO) & (results.video_ids != videos),
        results,
        source,
        "its image belongs to another video",
    )
    categories = _merge(results.category_ids, merged)
    _refuse(
        ~np.isin(categories, vocabulary.category_ids),
        results,
        source,
        "its category is not in the annotations",
    )
    order = np.lexsort((results.track_ids, results.image_ids))
    keys = np.stack([results.image_ids, results.track_ids])[:, order]
    repeated = np.zeros(len(results), dtype=bool)
    repeated[order[1:]] = (keys[:, 1:] == keys[:, :-1]).all(axis=0)
    _refuse(repeated, results, source, "its track already has a box in this image")
    return BoxTable(videos, images.times[place], results.track_ids, categories, results.bboxes)


def _merge(category_ids: np.ndarray, merged: dict[int, int]) -> np.ndarray:
    category_ids = category_ids.copy()
    for dropped, kept in merged.items():
        category_ids[category_ids == dropped] = kept
    return category_ids


def _refuse(bad: np.ndarray, results: TaoResults, source: str | Path, reason: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        video = int(results.video_ids[row])
        raise InputError(
            f"{source}: result {row} (image {results.image_ids[row]}, "
            f"video {'not given' if video == NO_VIDEO else video}, "
            f"category {results.category_ids[row]}, track {results.track_ids[row]}) cannot be "
            f"evaluated: {reason}. Were the results made for these annotations?"
        )


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


def _version() -> str:
    try:
        return version("vovtrack")
    except PackageNotFoundError:
        return "source tree"
