"""TAO and open-vocabulary TAO: TETA, and the track AP of the TAO toolkit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError, one_of
from vovtrack.evaluation.benchmarks.base import provenance
from vovtrack.evaluation.benchmarks.tao_tables import (
    Images,
    Predictions,
    ground_truth,
    videos_by_id,
)
from vovtrack.evaluation.oracle import correct
from vovtrack.evaluation.scores import track_ap
from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.evaluation.scores.statistics import Statistics, from_videos
from vovtrack.evaluation.scores.teta import LOC_ALPHAS, TETA, count_video, empty_columns
from vovtrack.files.hashing import file_sha256
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.tao.annotations import merged_categories, read_annotations
from vovtrack.formats.tao.results import read_provenance, read_results
from vovtrack.structures import Vocabulary
from vovtrack.structures.vocabulary import from_categories


@dataclass(frozen=True)
class TaoSource:
    """Opened TAO files, see :class:`vovtrack.evaluation.benchmarks.base.Source`.

    Attributes:
        gt: Ground truth, sorted by video and time; videos by position in ``videos``.
        dt: Predictions, likewise.
        category_ids: (C,) the evaluated classes: those with ground truth.
        classes: Their names.
        novel: (C,) bool, or None where base and novel are not told apart.
        tracks: What the AP of tracks needs; empty where it is not asked for.
        oracle: Corrections made to the predictions before they are counted, see
            :mod:`vovtrack.evaluation.oracle`.
    """

    videos: tuple[str, ...]
    sizes: np.ndarray
    families: tuple[str, ...]
    protocol: dict[str, Any]
    gt: BoxTable
    dt: BoxTable
    category_ids: np.ndarray
    classes: tuple[str, ...]
    novel: np.ndarray | None
    tracks: TrackData | None = None
    oracle: tuple[str, ...] = ()

    def with_oracle(self, kinds: tuple[str, ...]) -> TaoSource:
        """Return the same source with predictions made perfect in some respects."""
        return replace(self, oracle=kinds)

    def count(self, first: int, last: int) -> dict[str, Statistics]:
        """Count videos ``first`` to ``last - 1``."""
        rows = [self._count_video(video) for video in range(first, last)]
        empty = {TETA.name: empty_columns(0)}
        if self.tracks is not None:
            empty[self.tracks.family] = track_ap.empty_rows(len(self.tracks.thresholds))[1]
        return {
            family: from_videos(
                family,
                self.videos[first:last],
                self.classes,
                self.novel,
                [counts[family] for counts in rows],
                empty[family],
            )
            for family in self.families
        }

    def _count_video(self, video: int) -> dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]:
        gt, dt = self.gt.video(video), self.dt.video(video)
        if self.oracle:
            dt = correct(gt, dt, self.oracle)
        counts = {TETA.name: count_video(gt, dt, self.category_ids)}
        if self.tracks is not None:
            counts[self.tracks.family] = self.tracks.count(video, gt, dt, self.category_ids)
        return counts


@dataclass(frozen=True)
class TrackData:
    """What the AP of tracks needs besides the boxes.

    Attributes:
        family: Name of the family.
        thresholds: IoU thresholds.
        videos: (N,) video of each ground-truth box, by position.
        areas: (N,) ``area`` of each ground-truth box, in the order of the table.
        negative: For each video the categories that do not occur in it.
        not_exhaustive: For each video the categories that are not annotated everywhere.
        mixed: (video, track) of predictions whose category changes; they are left out.
    """

    family: str
    thresholds: tuple[float, ...]
    videos: np.ndarray
    areas: np.ndarray
    negative: tuple[frozenset[int], ...]
    not_exhaustive: tuple[frozenset[int], ...]
    mixed: frozenset[tuple[int, int]]

    def count(
        self, video: int, gt: BoxTable, dt: BoxTable, category_ids: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Count one video."""
        mixed = [track for number, track in self.mixed if number == video]
        first, last = np.searchsorted(self.videos, [video, video + 1])
        return track_ap.count_video(
            gt,
            dt.select(~np.isin(dt.tracks, mixed)),
            category_ids,
            track_ap.Federation(
                self.areas[first:last], self.negative[video], self.not_exhaustive[video]
            ),
            self.thresholds,
        )


def open_source(
    gt: Path,
    pred: Path,
    problems: InputFaults,
    *,
    novel: bool = True,
    track_iou: str | None = None,
    max_detections: int | None = None,
    classes: str | Sequence[str] | None = None,
    split: str | None = None,
) -> TaoSource:
    """Open TAO annotations and results.

    Args:
        gt: TAO annotation JSON. Novel are its classes of ``frequency`` "r".
        pred: TAO result JSON or its columns.
        problems: What happens to predictions that cannot be evaluated.
        novel: Also score base and novel classes apart.
        track_iou: Also compute the AP of tracks, at the thresholds of ``papers`` (0.5, 0.75) or
            ``coco`` (0.5 to 0.95).
        max_detections: Keep that many boxes of highest score per image; default: all.
        classes: The class mask of the tracker, see :meth:`Vocabulary.parse`; default: not checked.
        split: ``train``, ``val`` or ``test``; default: not checked.

    Raises:
        InputError: A file cannot be used, or the annotations are of another split or class mask
            than asked for or than the results were made for.
    """
    annotations = read_annotations(gt)
    if not annotations["images"]:
        raise InputError(f"{gt}: the annotations have no images, so nothing can be evaluated.")
    vocabulary = from_categories(annotations["categories"], str(gt))
    protocol = {
        **provenance(gt, pred, file_sha256),
        "split": _split(annotations, gt, split),
        "vocabulary": vocabulary.fingerprint,
        "classes": len(vocabulary),
        "max_detections": max_detections,
        "thresholds": LOC_ALPHAS.round(2).tolist(),
    }
    images = Images(annotations)
    truth = ground_truth(annotations, images)
    present = np.isin(vocabulary.category_ids, truth.categories)
    mask = None if classes is None else _class_mask(classes, vocabulary, present, gt)
    protocol["class_mask"] = None if mask is None else mask.fingerprint
    protocol["provenance"] = read_provenance(pred)
    _check_provenance(protocol["provenance"], protocol, mask, pred)
    merged = merged_categories(annotations["categories"])
    reader = Predictions(images, merged, mask or vocabulary, problems, pred)
    found = reader.table(read_results(pred, problems), max_detections)
    elsewhere = ~np.isin(found.videos * _STRIDE + found.times, truth.videos * _STRIDE + truth.times)
    protocol["boxes"] = {
        "ground_truth": len(truth),
        "predicted": len(found),
        "predicted_on_frames_without_ground_truth": int(elsewhere.sum()),
    }
    videos = tuple(video["name"] for video in videos_by_id(annotations))
    if repeated := [name for name, count in Counter(videos).items() if count > 1]:
        raise InputError(f"{gt}: two videos are called '{repeated[0]}'; names must be unique.")
    protocol["videos"] = len(videos)
    tracks = None
    if track_iou is not None:
        tracks = _track_data(annotations, images, truth, found, track_iou, problems, pred)
    counts = np.bincount(truth.videos, minlength=len(videos))
    return TaoSource(
        videos=videos,
        sizes=counts + np.bincount(found.videos, minlength=len(videos)),
        families=(TETA.name,) if tracks is None else (TETA.name, tracks.family),
        protocol=protocol,
        gt=truth,
        dt=found,
        category_ids=np.array(vocabulary.category_ids, dtype=np.int64)[present],
        classes=tuple(n for n, p in zip(vocabulary.names, present, strict=True) if p),
        novel=vocabulary.novel[present] if novel else None,
        tracks=tracks,
    )


_STRIDE = 1 << 32  # more frames than any video has
_TRACK_FAMILIES = {"papers": track_ap.TRACK_AP, "coco": track_ap.TRACK_AP_COCO}


def _track_data(
    annotations: dict[str, Any],
    images: Images,
    truth: BoxTable,
    found: BoxTable,
    track_iou: str,
    problems: InputFaults,
    pred: Path,
) -> TrackData:
    one_of("track_iou", track_iou, _TRACK_FAMILIES)
    rows = annotations["annotations"]
    place, _ = images.find(np.array([row["image_id"] for row in rows], dtype=np.int64))
    areas = np.array([row.get("area", row["bbox"][2] * row["bbox"][3]) for row in rows], float)
    order = np.lexsort((images.times[place], images.videos[place]))
    lists = [
        tuple(frozenset(video.get(key, ())) for video in videos_by_id(annotations))
        for key in ("neg_category_ids", "not_exhaustive_category_ids")
    ]
    return TrackData(
        family=_TRACK_FAMILIES[track_iou].name,
        thresholds=track_ap.THRESHOLDS if track_iou == "papers" else track_ap.COCO_THRESHOLDS,
        videos=truth.videos,
        areas=areas[order],
        negative=lists[0],
        not_exhaustive=lists[1],
        mixed=_mixed_tracks(found, annotations, problems, pred),
    )


def _mixed_tracks(
    found: BoxTable, annotations: dict[str, Any], problems: InputFaults, pred: Path
) -> frozenset[tuple[int, int]]:
    """Report tracks with boxes of several categories, which have no average precision."""
    keys = np.unique(np.stack([found.videos, found.tracks, found.categories], axis=1), axis=0)
    again = (keys[1:, :2] == keys[:-1, :2]).all(axis=1)
    mixed = {(int(video), int(track)) for video, track, _ in keys[1:][again]}
    for video, track in sorted(mixed):
        name = videos_by_id(annotations)[video]["name"]
        problems.report(
            pred,
            f"track {track} of video '{name}'",
            "its boxes have several categories; the AP of tracks needs one per track",
        )
    return frozenset(mixed)


def _split(annotations: dict[str, Any], gt: Path, wanted: str | None) -> str | None:
    """TAO puts the split before the name of each video: ``val/YFCC100M/v_...``."""
    found = {video["name"].split("/")[0] for video in annotations["videos"] if "/" in video["name"]}
    split = found.pop() if len(found) == 1 else None
    if wanted is not None and split != wanted:
        raise InputError(
            f"{gt}: the videos are of split {split or 'unknown'!r}, not {wanted!r}. Choose the "
            "annotations of the split that the predictions were made for."
        )
    return split


def _check_provenance(
    made_for: dict[str, str], protocol: dict[str, Any], mask: Vocabulary | None, pred: Path
) -> None:
    """Results of our own test run know which annotations and classes they were made for."""
    expected = {"annotations_sha256": protocol["annotations_sha256"]}
    if mask is not None:
        expected["vocabulary"] = mask.fingerprint
    words = {"annotations_sha256": "annotation file", "vocabulary": "class mask"}
    for key, value in expected.items():
        if made_for.get(key, value) != value:
            raise InputError(
                f"{pred}: these results were made for another {words[key]} "
                f"({made_for[key][:16]}) than the one given ({value[:16]})."
            )


def _class_mask(
    classes: str | Sequence[str], vocabulary: Vocabulary, present: np.ndarray, gt: Path
) -> Vocabulary:
    """The class mask, once it is known to hold every class that has ground truth."""
    mask = Vocabulary.parse(classes)
    needed = np.array(vocabulary.category_ids)[present]
    foreign = needed[~np.isin(needed, mask.category_ids)]
    if len(foreign):
        name = vocabulary.names[vocabulary.label_of(int(foreign[0]))]
        raise InputError(
            f"{gt}: {len(foreign)} of {len(needed)} classes with ground truth are not in the "
            f"class mask '{classes}' of {len(mask)} classes, the first: '{name}'. This is the "
            "mask of another split or vocabulary."
        )
    return mask
