"""From the detections of a whole video to its tracks."""

from __future__ import annotations

import numpy as np
import torch

from vovtrack.graph.detections import Detections
from vovtrack.graph.models.hierarchy import HierarchicalTracker
from vovtrack.graph.stitching import Tracked, stitch
from vovtrack.graph.windows import evaluation_windows


def link_video(
    tracker: HierarchicalTracker, detections: Detections, overlap: float = 0.5
) -> Tracked:
    """Link the detections of a video in windows that overlap; no image is needed.

    What becomes of short tracks and of gaps, :func:`vovtrack.graph.interpolation.finish_tracks`
    says.

    Args:
        tracker: Its last level reaches over a window.
        detections: Of one video; it may have none.
        overlap: See :func:`evaluation_windows`.

    Returns:
        Every detection, by its index, with the number of its track.
    """
    frame = detections.frame.cpu()
    parts = []
    for first, last in evaluation_windows(frame, tracker.levels[-1].coverage, overlap):
        rows = torch.nonzero((frame >= first) & (frame <= last))[:, 0]
        track = tracker.cluster(detections.select(rows.to(detections.frame.device))).cpu()
        parts.append(Tracked(frame[rows].numpy(), rows.numpy(), track.numpy()))
    none = np.empty(0, dtype=np.int64)
    return stitch(parts or [Tracked(none, none, none)])
