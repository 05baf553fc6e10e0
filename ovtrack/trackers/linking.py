"""One frame through an association, the same for a running model and for stored observations."""

from __future__ import annotations

from typing import Protocol

from mmengine.structures import InstanceData


class Tracker(Protocol):
    """What an association rule must be able to do."""

    def reset(self) -> None:
        """Start a new video: no tracks, ids from 0."""

    def set_thresholds(self, match: float, init: float) -> None:
        """Score from which a detection may be linked, and above which it starts a track."""

    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        """Link the detections of one frame to tracks.

        Args:
            instances: ``bboxes`` (n, 4), ``scores`` (n,) descending, ``labels`` (n,), ``embeds``
                (n, D), on the CPU.
            frame_id: Frame index inside the video.

        Returns:
            Some of the detections with ``instances_id``, -1 for those without a track.
        """


def link(tracker: Tracker, found: InstanceData, frame_id: int) -> InstanceData:
    """The tracked detections of one frame, without their embeddings.

    Arguments as of :meth:`Tracker.update`.
    """
    tracked = tracker.update(found, frame_id)
    tracked = tracked[tracked.instances_id >= 0]
    tracked.pop("embeds", None)
    return tracked
