"""Running a tracker on the public detections of MOTChallenge: boxes and scores, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData
from tqdm import tqdm

from vovtrack.engine.replay import check_linked
from vovtrack.evaluation.metrics.mot import MotTrackMetric
from vovtrack.formats.mot.detections import MotDetections
from vovtrack.formats.mot.videos import CLASSES
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary
from vovtrack.structures.thresholds import ScoreThresholds
from vovtrack.trackers.contract import Tracker, link, share_thresholds


def replay_detections(
    detections: MotDetections,
    tracker: dict,
    out_dir: str | Path,
    ann_file: str | Path | None = None,
    *,
    benchmarks: Sequence[str] = ("mot17",),
    format_only: bool = False,
    max_boxes: int | None = None,
    progress: bool = False,
) -> dict[str, float]:
    """Track detections, write the files of a submission and evaluate them.

    The scores of public detections have any scale, so thresholds are the tracker's own options;
    those that are left open take everything.

    Args:
        detections: They.
        tracker: Config of a tracker that needs boxes and scores alone.
        out_dir: See :class:`MotTrackMetric`.
        ann_file: Folder with the ground truth; default: that of the detections.
        benchmarks: ``mot17``, ``mot20``, ``dancetrack`` or ``sportsmot``.
        format_only: Write the result files and do not evaluate.
        max_boxes: Take at most so many detections of each frame, the best ones.
        progress: Show a bar with rate and remaining time.

    Returns:
        Metric name -> value.

    Raises:
        InputError: Broken detections or ground truth, or a tracker that needs more than boxes or
            links nothing of what was detected.
    """
    metrics: dict[str, float] = {}
    vocabulary = Vocabulary.load(CLASSES)
    association = MODELS.build(tracker)
    share_thresholds(association, ScoreThresholds())
    samples: list[dict[str, Any]] = []
    detected = 0
    for name in tqdm(detections.videos, unit="sequence", disable=not progress):
        association.reset()
        for frame_id, (boxes, scores) in enumerate(detections.frames(name)):
            detected += len(scores)
            tracks = _step(association, frame_id, boxes[:max_boxes], scores[:max_boxes])
            sample = dict(img_id=len(samples), frame_id=frame_id, pred_track_instances=tracks)
            samples.append(dict(sample, vocabulary=vocabulary.fingerprint))
    linked = sum(len(sample["pred_track_instances"]["scores"]) for sample in samples)
    check_linked(detected, linked)
    for benchmark in benchmarks:
        metric = MotTrackMetric(
            str(ann_file or detections.folder),
            vocabulary,
            str(out_dir),
            benchmark=benchmark,
            format_only=format_only,
        )
        metric.process(None, samples)
        metrics |= metric.evaluate(len(samples))
    return metrics


def _step(tracker: Tracker, frame_id: int, bboxes: np.ndarray, scores: np.ndarray) -> dict:
    """The tracks of one frame."""
    found = InstanceData(
        bboxes=torch.from_numpy(bboxes),
        scores=torch.from_numpy(scores),
        labels=torch.zeros(len(scores), dtype=torch.long),
    )
    return dict(link(tracker, found, frame_id).items())
