"""Running a tracker on stored observations: no images, no network, any tracker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.structures import InstanceData
from tqdm import tqdm

from vovtrack.errors import InputError
from vovtrack.evaluation.metrics.observations import annotations_sha256, build_evaluator
from vovtrack.evaluation.metrics.tao_tracks import TaoTrackMetric
from vovtrack.formats.observations import ObservationStore, VideoObservations
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary
from vovtrack.trackers.contract import DETECTION, Tracker, link, share_thresholds


def replay(
    store: ObservationStore,
    tracker: dict,
    out_dir: str | Path,
    ann_file: str | Path | None = None,
    *,
    benchmarks: Sequence[str] | None = None,
    category_vote: Literal["count", "score"] | None = "count",
    format_only: bool = False,
    max_boxes: int | None = None,
    progress: bool = False,
) -> dict[str, float]:
    """Track stored detections, write the result files of a test and evaluate them.

    With the tracker and the thresholds of the test that recorded the observations, the files are
    those of that test, byte by byte. An interrupted replay continues.

    Args:
        store: The observations.
        tracker: Config of the tracker.
        out_dir: Folder of the result files and the reports.
        ann_file: Annotations; by default those the observations were recorded for.
        benchmarks: Of videos of TAO see :class:`TaoTrackMetric`, of others one at most; by default
            ``tao-ov``, and of others what the recorded test evaluated.
        category_vote: See :class:`TaoTrackMetric`; others have none.
        format_only: Write the result files and do not evaluate.
        max_boxes: Take at most so many detections of each frame, the best ones.
        progress: Show a bar with rate and remaining time.

    Returns:
        Metric name -> value.

    Raises:
        InputError: Annotations of other content, damaged observations, or a tracker that links
            nothing of what was detected.
    """
    ann_file = Path(ann_file or store.header.ann_file)
    _check_annotations(store, ann_file)
    options: dict[str, Any] = dict(
        ann_file=str(ann_file),
        vocabulary=store.header.vocabulary,
        out_dir=str(out_dir),
        format_only=format_only,
    )
    if store.header.evaluator is None:
        metric = TaoTrackMetric(
            **options, benchmarks=benchmarks or ("tao-ov",), category_vote=category_vote
        )
    else:
        named = dict(benchmark=_only(benchmarks)) if benchmarks else {}
        metric = build_evaluator({**store.header.evaluator, **named}, **options)
    run: dict[str, Any] = dict(observations=store.content_sha256, tracker=tracker)
    run |= {} if max_boxes is None else dict(max_boxes=max_boxes)
    done = metric.begin(json.dumps(run, sort_keys=True))
    waiting = [video_id for video_id in store.videos if video_id not in done]
    association = MODELS.build(tracker)
    detected = linked = 0
    for video_id in tqdm(waiting, unit="video", disable=not progress):
        video = store.read(video_id)
        video = video if max_boxes is None else video.best(max_boxes)
        for sample in track_video(association, video, store.header.vocabulary):
            detected += len(sample["pred_instances"]["scores"])
            linked += len(sample["pred_track_instances"]["scores"])
            metric.process(None, [sample])
    check_linked(detected, linked)
    return metric.evaluate(len(waiting))


def check_linked(detected: int, linked: int) -> None:
    """Make sure that of what was detected something was linked.

    Raises:
        InputError: Nothing was.
    """
    if detected and not linked:
        raise InputError(
            f"The tracker linked none of {detected} detections: its score thresholds do not fit "
            "these scores, set them with --cfg-options model.tracker..."
        )


def track_video(tracker: Tracker, video: VideoObservations, vocabulary: Vocabulary) -> list[dict]:
    """Link the detections of one video.

    Returns:
        A sample per frame, as a test hands them to its evaluator.
    """
    tracker.reset()
    share_thresholds(tracker, video.thresholds)
    samples = []
    for frame_id, (image_id, arrays) in enumerate(video.frames()):
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        samples.append(
            dict(
                img_id=image_id,
                video_id=video.video_id,
                frame_id=frame_id,
                video_length=len(video.arrays["image_ids"]),
                vocabulary=vocabulary.fingerprint,
                pred_instances={name: tensors[name] for name in DETECTION},
                pred_track_instances=dict(link(tracker, InstanceData(**tensors), frame_id).items()),
            )
        )
    return samples


def _only(benchmarks: Sequence[str]) -> str:
    if len(benchmarks) > 1:
        raise InputError(f"These videos have one benchmark at a time, not {', '.join(benchmarks)}.")
    return benchmarks[0]


def _check_annotations(store: ObservationStore, ann_file: Path) -> None:
    if not ann_file.exists():
        raise InputError(
            f"The annotations '{ann_file}' are not there: name the file with --gt "
            f"(recorded for '{store.header.ann_file}')."
        )
    if annotations_sha256(ann_file, store.header.evaluator) != store.header.annotations_sha256:
        raise InputError(
            f"'{ann_file}' is not the annotation file that '{store.folder}' was recorded for "
            f"('{store.header.ann_file}'): ids of videos and images may mean other ones."
        )
