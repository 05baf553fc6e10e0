"""Tracking by detection and appearance, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
from mmdet.structures import DetDataSample

from ovtrack.models import OVTrack, QDTrack
from vovtrack.datasets.frame_pipeline import FramePipeline
from vovtrack.engine.online import OnlineTracker
from vovtrack.errors import InputError
from vovtrack.registry import TASK_UTILS
from vovtrack.structures import Target, Tracks


@TASK_UTILS.register_module()
class OVOnlineTracker(OnlineTracker):
    """Streams frames through a tracking model; an immediate tracker.

    Keeps nothing of a frame but what the model's tracker remembers, the tracks of the last frames,
    so memory does not grow with the length of a video.

    It follows class names, those of its model until others are given, so the first frame plays no
    role: without a :meth:`start` the first step begins a video.

    Args:
        model: A model in evaluation mode with ``set_classes``, ``vocabulary``,
            ``score_thresholds``, ``tracker`` and ``test_step``.
        pipeline: Makes the network's input from a frame.
    """

    def __init__(self, model: OVTrack | QDTrack, pipeline: FramePipeline) -> None:
        self.model = model
        self.pipeline = pipeline
        self.num_frames = 0
        self._busy = Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The class names in use; labels index them."""
        return self.model.vocabulary.names

    @property
    def draw_threshold(self) -> float:  # type: ignore[override]  # follows the vocabulary
        """Score above which a track is worth showing, for the vocabulary in use."""
        return self.model.score_thresholds.draw

    def start(self, frame: np.ndarray | None = None, target: Target | None = None) -> None:
        """Begin a new video.

        Args:
            frame: Not used.
            target: Class names to track; by default those already set.

        Raises:
            InputError: Another kind of target.
        """
        target = (target or Target()).only("This tracker", "classes")
        if target.classes is not None:
            self.model.set_classes(target.classes)
        self.reset()

    def step(self, frame: np.ndarray) -> Tracks:
        """Track the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Raises:
            InputError: Not such an array.
        """
        return self.step_batch([frame])[0]

    def step_batch(self, frames: Sequence[np.ndarray]) -> list[Tracks]:
        """Track the next frames, in order, in one pass through the network.

        Args:
            frames: (H, W, 3) uint8 RGB frames; none give no tracks.

        Raises:
            InputError: Not such arrays, or another thread is using this tracker now.
        """
        if len(frames) == 0:
            return []
        if not self._busy.acquire(blocking=False):
            raise InputError(
                "This tracker is working on a frame in another thread: its tracks would mix. Load "
                "a tracker for each video that is tracked at the same time."
            )
        try:
            views = [self._prepare(frame, self.num_frames + i) for i, frame in enumerate(frames)]
            data = {name: [view[name] for view in views] for name in ("inputs", "data_samples")}
            samples = self.model.test_step(data)
            self.num_frames += len(frames)
            return [self._to_tracks(sample) for sample in samples]
        finally:
            self._busy.release()

    def finish(self) -> tuple[()]:
        """End the video; the next frame starts another one. No tracks are owed."""
        self.reset()
        return ()

    def reset(self) -> None:
        """Forget all tracks; the next frame is frame 0."""
        self.num_frames = 0
        self.model.tracker.reset()

    def _prepare(self, frame: np.ndarray, frame_id: int) -> dict:
        if not _is_image(frame):
            found = f"{getattr(frame, 'dtype', type(frame))} {getattr(frame, 'shape', '')}"
            raise InputError(f"Frame {frame_id} is {found}, expected a uint8 array (H, W, 3), RGB.")
        return self.pipeline(np.ascontiguousarray(frame[..., ::-1]), frame_id=frame_id)

    def _to_tracks(self, sample: DetDataSample) -> Tracks:
        found = sample.pred_track_instances.cpu()
        return Tracks(
            frame_id=sample.frame_id,
            bboxes=found.bboxes.float().numpy(),
            track_ids=found.instances_id.long().numpy(),
            labels=found.labels.long().numpy(),
            scores=found.scores.float().numpy(),
            names=self.names,
        )


def _is_image(frame: np.ndarray) -> bool:
    is_bytes = isinstance(frame, np.ndarray) and frame.dtype == np.uint8
    return is_bytes and frame.shape[2:] == (3,) and frame.size > 0
