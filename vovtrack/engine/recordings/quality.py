"""How well points were tracked, as far as that can be told without the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Limits:
    """What a point may do before its recording is not accepted by itself.

    The values are where a person should look, not measured ones.

    Attributes:
        visible: Least share of frames in which it is visible.
        jump: Longest way from one visible frame to the next, as a share of the frame's diagonal.
        backward: Farthest from its beginning that following it back from its end may lead, as a
            share of the frame's diagonal.
    """

    visible: float = 0.5
    jump: float = 0.1
    backward: float = 0.02


@dataclass(frozen=True)
class PointQuality:
    """Signs of trouble of one point.

    Attributes:
        name: Of the point.
        visible: Share of frames in which it is visible.
        drops: How often it goes from visible to hidden.
        longest_hidden: Frames of its longest time hidden.
        jump: Longest way from one frame to the next, visible in both, in pixels.
        jump_frame: The frame after it; -1 without any.
        backward: Distance from its first visible place to where following it back from its last
            one leads, in pixels (Kalal et al., "Forward-Backward Error", ICPR 2010); None if it
            was not followed back.
        doubts: Words for each limit that it breaks.
    """

    name: str
    visible: float
    drops: int
    longest_hidden: int
    jump: float
    jump_frame: int
    backward: float | None
    doubts: tuple[str, ...]


def judge(
    names: tuple[str, ...],
    keypoints: NDArray[np.float32],
    size: tuple[int, int],
    limits: Limits,
    back: NDArray[np.float32] | None = None,
) -> list[PointQuality]:
    """Judge the points of one camera.

    Args:
        names: Of the N points.
        keypoints: (T, N, 3) x, y in pixels, visible.
        size: (width, height) of the frames.
        limits: What is in doubt.
        back: (T, N, 3), the points followed back from :func:`ends`; None if they were not.
    """
    diagonal = float(np.hypot(*size))
    found = []
    for n, name in enumerate(names):
        places, seen = keypoints[:, n, :2], keypoints[:, n, 2] > 0
        steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
        steps[~(seen[1:] & seen[:-1])] = 0
        jump_frame = int(np.argmax(steps)) + 1 if steps.any() else -1
        jump = float(steps.max(initial=0))
        share = float(seen.mean())
        error = None
        if back is not None and seen.any():
            first = int(np.argmax(seen))
            error = float(np.linalg.norm(back[first, n, :2] - places[first]))
        doubts = {
            f"visible in {share:.0%} of the frames": share < limits.visible,
            f"jumps {jump:.0f} px at frame {jump_frame}": jump > limits.jump * diagonal,
            f"comes back {error or 0:.0f} px off": (error or 0) > limits.backward * diagonal,
        }
        found.append(
            PointQuality(
                name=name,
                visible=share,
                drops=int((seen[:-1] & ~seen[1:]).sum()),
                longest_hidden=_longest_run(~seen),
                jump=jump,
                jump_frame=jump_frame,
                backward=error,
                doubts=tuple(text for text, is_broken in doubts.items() if is_broken),
            )
        )
    return found


def ends(keypoints: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float64]:
    """Where points are to be followed back from: the last frame that shows them inside.

    Args:
        keypoints: (T, N, 3) x, y in pixels, visible.
        size: (width, height) of the frames.

    Returns:
        (N, 3) frame, x, y; NaN for a point that is never visible inside.
    """
    inside = ((keypoints[..., :2] >= 0) & (keypoints[..., :2] < size)).all(axis=-1)
    seen = inside & (keypoints[..., 2] > 0)
    last = len(seen) - 1 - np.argmax(seen[::-1], axis=0)
    columns = np.arange(keypoints.shape[1])
    found = np.column_stack([last, keypoints[last, columns, :2]]).astype(np.float64)
    found[~seen.any(axis=0)] = np.nan
    return found


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of true values."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths.max(initial=0))
