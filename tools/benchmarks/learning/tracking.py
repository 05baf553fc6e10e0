"""Trackers on stored detections, and how well they track."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from mmengine.structures import InstanceData
from torch import Tensor

from tools.benchmarks.learning.detections import Frame
from vovtrack.datasets.video_dataset import VideoDataset
from vovtrack.evaluation.pipeline import evaluate
from vovtrack.formats.bdd100k import CLASSES, BddFrame, write_video
from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds
from vovtrack.trackers.contract import Tracker, link, share_thresholds

METRICS = {"IDF1": "mIDF1", "HOTA": "HOTA", "AssA": "AssA"}
"""Name in the table -> in the report, where "overall" pools the boxes of all classes."""
THRESHOLDS = ScoreThresholds(link=0.3, init=0.7, draw=0.5)
"""Of the detections, as of Faster R-CNN."""


def track(
    tracker: dict, videos: list[list[Frame]], embeds: Iterable[list[Tensor]] | None = None
) -> list[list[InstanceData]]:
    """The tracked detections of every frame.

    Args:
        tracker: Config of the tracker.
        videos: Detections.
        embeds: (n, D) of each frame; None for a tracker that does not ask for them.
    """
    built: Tracker = MODELS.build(tracker)
    share_thresholds(built, THRESHOLDS)
    found = []
    for frames, rows in zip(videos, embeds or [None] * len(videos), strict=True):
        built.reset()
        found.append([])
        for number, frame in enumerate(frames):
            detections = frame.found[:]
            if rows is not None:
                detections.embeds = rows[number]
            found[-1].append(link(built, detections, number))
    return found


def score(
    dataset: VideoDataset, labels: Path, tracked: list[list[InstanceData]]
) -> dict[str, float]:
    """IDF1, HOTA and AssA over all boxes.

    Args:
        dataset: Of the videos.
        labels: Their annotations, BDD100K's form.
        tracked: Of each frame of each video.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, frames in enumerate(tracked):
            video = dataset.video(number)
            rows = [
                (BddFrame(video.name, int(index), Path(image).name), _labels(found))
                for index, image, found in zip(video.numbers, video.images, frames, strict=True)
            ]
            write_video(Path(folder) / f"{video.name}.json", rows)
        summary = evaluate("bdd100k", labels, folder)["summary"]["overall"]
    return {name: summary[metric] for name, metric in METRICS.items()}


def _labels(found: InstanceData) -> list[dict]:
    columns = (found.instances_id, found.labels, found.scores, found.bboxes)
    return [
        dict(id=track_id, category=CLASSES[label], score=score, box=box)
        for track_id, label, score, box in zip(*(c.tolist() for c in columns), strict=True)
    ]
