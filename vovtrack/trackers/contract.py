"""One frame through a tracker, the same for a running model and for stored observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from mmengine.structures import InstanceData

from vovtrack.errors import InputError
from vovtrack.structures.thresholds import ScoreThresholds

DETECTION = ("bboxes", "scores", "labels")
"""Fields of every detection."""


class Tracker(Protocol):
    """What a tracker must be able to do.

    Attributes:
        fields: What it is to be given of detections besides ``bboxes``, ``scores`` and ``labels``.
    """

    fields: tuple[str, ...]

    def reset(self) -> None:
        """Start a new video: no tracks, ids from 0."""

    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        """Link the detections of one frame to tracks.

        Args:
            instances: ``bboxes`` (n, 4), ``scores`` (n,) descending, ``labels`` (n,) and ``fields``
                (n, ...), on the CPU.
            frame_id: Frame index inside the video.

        Returns:
            Some of the detections with ``instances_id``, -1 for those without a track.
        """


@runtime_checkable
class TakesThresholds(Protocol):
    """A tracker whose config may leave score thresholds to the detector."""

    def set_thresholds(self, thresholds: ScoreThresholds) -> None:
        """Learn what scores are good for; thresholds of the tracker's own config come first."""


def share_thresholds(tracker: Tracker, thresholds: ScoreThresholds) -> None:
    """Tell a tracker, if it wants to know, what the scores of its detections are good for."""
    if isinstance(tracker, TakesThresholds):
        tracker.set_thresholds(thresholds)


def link(tracker: Tracker, found: InstanceData, frame_id: int) -> InstanceData:
    """The tracked detections of one frame, without what was only needed to link them.

    Arguments as of :meth:`Tracker.update`; of ``found`` the tracker is given what it asks for.

    Raises:
        InputError: It asks for what ``found`` does not have.
    """
    wanted = (*DETECTION, *tracker.fields)
    for name in wanted:
        if name not in found:
            raise InputError(
                f"The tracker links by '{name}', which these detections do not have: detect with "
                "it as model.tracker, which makes the model describe them so."
            )
    tracked = tracker.update(pick(found, wanted), frame_id)
    return pick(tracked[tracked.instances_id >= 0], (*DETECTION, "instances_id"))


def pick(instances: InstanceData, names: Sequence[str]) -> InstanceData:
    """Only the fields ``names``."""
    return InstanceData(**{name: instances[name] for name in names})
