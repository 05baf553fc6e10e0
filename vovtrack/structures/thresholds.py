"""What the scores of a detector are good for."""

from __future__ import annotations

from typing import NamedTuple


class ScoreThresholds(NamedTuple):
    """Thresholds on the scale of a detector's scores, for the classes that it was given.

    Scores of different detectors do not compare, so the detector that gives scores says what they
    mean, and trackers and drawing ask it. The defaults take everything.
    """

    detect: float = 0.0
    """A detection exists above this."""
    link: float = 0.0
    """A detection may be linked to a track from this on."""
    init: float = 0.0
    """A detection may start a track above this."""
    draw: float = 0.0
    """A detection is sure above this: worth showing, and the first to be linked by trackers that
    tell sure detections from others."""
    distractor: float = 1.0
    """A detection up to this may be dropped because it overlaps a better one."""
