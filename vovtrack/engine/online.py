"""Tracking one frame at a time: what the command line and users' Python drive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from mmcv import imrescale
from mmdet.structures import DetDataSample
from torch import nn

from vovtrack.engine.fuse import mix_precision
from vovtrack.errors import InputError


def split_names(classes: Sequence[str] | str) -> list[str]:
    """Class names from a list or a comma-separated text.

    Raises:
        InputError: It is something else.
    """
    if isinstance(classes, str):
        return [name.strip() for name in classes.split(",")]
    if not isinstance(classes, Iterable) or not all(isinstance(n, str) for n in (*classes,)):
        raise InputError(f'The classes are {classes!r}, expected a list of names or "a, b".')
    return list(classes)


@dataclass(frozen=True)
class Tracks:
    """The tracked objects of one frame, as numpy arrays.

    Attributes:
        frame_id: Index of the frame since the start, from 0.
        bboxes: (n, 4) float32 (x1, y1, x2, y2), pixels of the frame as given.
        track_ids: (n,) int64, unique inside one video.
        labels: (n,) int64, index ``names``.
        scores: (n,) float32 in [0, 1].
        names: Class names of the tracker.
    """

    frame_id: int
    bboxes: np.ndarray
    track_ids: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.track_ids)

    def above(self, score: float) -> Tracks:
        """Only the objects whose score exceeds ``score``."""
        keep = self.scores > score
        arrays = (self.bboxes, self.track_ids, self.labels, self.scores)
        return Tracks(self.frame_id, *(a[keep] for a in arrays), names=self.names)


class OVOnlineTracker:
    """Streams frames through an open-vocabulary tracking model.

    Keeps nothing of a frame but what the association remembers, the tracks of the last frames, so
    memory does not grow with the length of a video.

    Args:
        model: A model with ``set_classes``, ``vocabulary``, ``score_thresholds``, ``tracker`` and
            ``test_step``.
        scale: (long, short) side limits of the network input in pixels; frames are resized to
            fit, keeping their ratio.
        amp: ``bf16`` or ``fp16`` for mixed precision, None for float32.
    """

    def __init__(
        self, model: nn.Module, scale: tuple[int, int] = (1333, 800), amp: str | None = None
    ) -> None:
        self.model = model.eval() if amp is None else mix_precision(model.eval(), amp)
        self.scale = scale
        self.num_frames = 0
        self._busy = Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The class names in use; labels index them."""
        return self.model.vocabulary.names

    @property
    def draw_threshold(self) -> float:
        """Score above which a track is worth showing, for the vocabulary in use."""
        return self.model.score_thresholds.draw

    def start(
        self, frame: np.ndarray | None = None, target: Sequence[str] | str | None = None
    ) -> None:
        """Begin a new video.

        Args:
            frame: Not used: open-vocabulary tracking needs no first frame.
            target: Class names to track, a list or "a, b"; by default those already set.

        Raises:
            InputError: No names, or blank or repeated names.
        """
        if target is not None:
            self.model.set_classes(split_names(target))
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

    def finish(self) -> None:
        """End the video; the next frame starts another one."""
        self.reset()

    def reset(self) -> None:
        """Forget all tracks; the next frame is frame 0."""
        self.num_frames = 0
        self.model.tracker.reset()

    def _prepare(self, frame: np.ndarray, frame_id: int) -> dict:
        if not _is_image(frame):
            found = f"{getattr(frame, 'dtype', type(frame))} {getattr(frame, 'shape', '')}"
            raise InputError(f"Frame {frame_id} is {found}, expected a uint8 array (H, W, 3), RGB.")
        height, width = frame.shape[:2]
        longest = max(self.scale)
        if min(height, width) * longest < 0.5 * max(height, width):
            raise InputError(
                f"Frame {frame_id} has {width}x{height} pixels: shrunk to the {longest} that the "
                "network sees, nothing is left of its shorter side."
            )
        resized = imrescale(frame, self.scale)
        new_height, new_width = resized.shape[:2]
        sample = DetDataSample(
            metainfo=dict(
                frame_id=frame_id,
                ori_shape=(height, width),
                img_shape=(new_height, new_width),
                scale_factor=(new_width / width, new_height / height),
            )
        )
        # BGR, as the images of datasets are read.
        inputs = np.ascontiguousarray(resized[..., ::-1].transpose(2, 0, 1))
        return dict(inputs=torch.from_numpy(inputs), data_samples=sample)

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
