"""From tracks to rows: short ones are dropped, gaps are filled by lines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TrackRows(NamedTuple):
    """Boxes of tracks, by frame and track.

    Attributes:
        frame: (N,) number of the frame.
        track: (N,) number of the track.
        box: (N, 4) float64 (left, top, width, height) in pixels.
    """

    frame: NDArray[np.int64]
    track: NDArray[np.int64]
    box: NDArray[np.float64]

    def ordered(self) -> TrackRows:
        """By frame, then by track."""
        order = np.lexsort((self.track, self.frame))
        return TrackRows(self.frame[order], self.track[order], self.box[order])


def finish_tracks(rows: TrackRows, min_length: int = 2, interpolate: bool = True) -> TrackRows:
    """Drop short tracks, then fill the gaps of the others.

    Args:
        rows: Boxes that were found.
        min_length: Least number of them that a track has.
        interpolate: Whether frames in which a track was not found get a box between those around,
            by centre and size.
    """
    _, of_track, length = np.unique(rows.track, return_inverse=True, return_counts=True)
    long = length[of_track] >= min_length
    order = np.lexsort((rows.frame, rows.track))
    order = order[long[order]]
    frame, track, box = rows.frame[order], rows.track[order], rows.box[order]
    if not interpolate or not len(frame):
        return TrackRows(frame, track, box).ordered()
    step = np.diff(frame, append=frame[-1] + 1)
    step[np.flatnonzero(np.diff(track))] = 1
    source = np.repeat(np.arange(len(frame)), step)
    passed = np.arange(len(source)) - np.repeat(np.cumsum(step) - step, step)
    share = (passed / step[source])[:, None]
    after = np.minimum(source + 1, len(frame) - 1)
    centre = box[:, :2] + box[:, 2:] / 2
    values = np.hstack([centre, box[:, 2:]])
    filled = values[source] * (1 - share) + values[after] * share
    filled[:, :2] -= filled[:, 2:] / 2
    filled[passed == 0] = box
    return TrackRows(frame[source] + passed, track[source], filled).ordered()
