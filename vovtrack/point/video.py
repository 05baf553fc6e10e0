"""Points through a whole video at once: what streaming gives, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.point.follower import PointFollower
from vovtrack.point.models import PointModel


@dataclass(frozen=True)
class VideoPoints:
    """Where points are in all frames of one video.

    Before the frame from which a point is followed, it lies where it was asked for and is not
    visible.

    Attributes:
        points: (1, T, N, 2) x and y in pixels of the video.
        visible: (1, T, N) bool.
        visible_logit: (1, T, N) that a point can be seen; minus infinity before its frame.
        uncertainty_logit: (1, T, N) that a point is hidden or far from its true place; infinity
            before its frame.
    """

    points: Tensor
    visible: Tensor
    visible_logit: Tensor
    uncertainty_logit: Tensor


def follow_points(model: PointModel, video: Tensor, queries: Tensor) -> VideoPoints:
    """Follow points through a video.

    Args:
        model: In evaluation mode.
        video: (1, T, 3, H, W) RGB from 0 to 255, of any type and size.
        queries: (1, N, 3) frame, from 0, from which a point is followed, and its x and y there in
            pixels of the video. It is not changed.

    Raises:
        InputError: Other shapes, or a query whose frame the video does not have.
    """
    frames, rows = _check(video, queries)
    threshold = model.test_settings.visibility_threshold
    times, count = rows[:, 0].long(), len(frames)
    # The order in which they start is that of the follower's ids.
    order = times.argsort(stable=True)
    points = rows[:, 1:].float().expand(count, -1, -1).clone()
    visible = torch.full((count, len(rows)), -torch.inf)
    uncertain = torch.full((count, len(rows)), torch.inf)
    follower = PointFollower(model)
    for number, frame in enumerate(frames):
        if len(new := rows[order[times[order] == number], 1:]):
            follower.add(new)
        found = follower.step(frame)
        columns = order[found.ids]
        points[number, columns] = found.points
        visible[number, columns] = found.visible_logit
        uncertain[number, columns] = found.uncertainty_logit
    seen = visible.sigmoid() > threshold
    return VideoPoints(points[None], seen[None], visible[None], uncertain[None])


def _check(video: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    if video.ndim != 5 or len(video) != 1 or video.shape[2] != 3:
        raise InputError(f"A video is (1, T, 3, H, W), not {tuple(video.shape)}.")
    if queries.ndim != 3 or len(queries) != 1 or queries.shape[2] != 3:
        raise InputError(f"Queries are (1, N, 3), frame, x and y, not {tuple(queries.shape)}.")
    frames, rows = video[0], queries[0].detach().cpu()
    if not torch.isfinite(rows).all():
        raise InputError("A number of the queries is not finite.")
    late = (rows[:, 0] < 0) | (rows[:, 0] >= len(frames))
    if late.any():
        frame = rows[late][0, 0].item()
        raise InputError(f"A query is of frame {frame:g}, but the video has {len(frames)} frames.")
    return frames, rows
