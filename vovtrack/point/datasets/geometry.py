"""Where a clip lies: padding, drifting scale and crop, mirrors.

Points that leave the frame become hidden; one on its right or lower border stays visible.
"""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PadFrames(BaseTransform):
    """Adds black borders of random widths.

    Args:
        most: Each of the four borders is thinner than this, pixels.
    """

    def __init__(self, most: int = 25) -> None:
        self.most = most

    def transform(self, results: dict) -> dict:
        """Pad the frames and move the points."""
        left, right, top, bottom = (np.random.randint(0, self.most) for _ in range(4))
        border = ((top, bottom), (left, right), (0, 0))
        results["frames"] = [np.pad(frame, border) for frame in results["frames"]]
        results["points"] = results["points"] + np.array([left, top], np.float32)
        return results


@TRANSFORMS.register_module()
class DriftScale(BaseTransform):
    """Scales each frame by a factor that drifts, of width and height nearly alike.

    Args:
        size: (H, W) of the crop that follows.
        factors: Smallest and largest factor of the first frame.
        drift: Largest change of a factor from frame to frame.
        shares: Of the change before, and of what is drawn, in the change of a frame.
        limits: Smallest and largest factor of all frames.
        room: Every frame stays larger than the crop by so many pixels.
    """

    def __init__(
        self,
        size: tuple[int, int],
        factors: tuple[float, float] = (0.75, 1.25),
        drift: float = 0.05,
        shares: tuple[float, float] = (0.8, 0.2),
        limits: tuple[float, float] = (0.2, 2.0),
        room: int = 10,
    ) -> None:
        self.least = np.array(size[::-1]) + room
        self.factors = factors
        self.drift = drift
        self.shares = shares
        self.limits = limits

    def transform(self, results: dict) -> dict:
        """Resize frames, which are float32 then, and move their points."""
        points = results["points"].copy()
        scale: NDArray = np.full(2, np.random.uniform(*self.factors))
        change: NDArray = np.zeros(2)
        scaled = []
        for number, frame in enumerate(results["frames"]):
            if number:
                drawn = np.array([np.random.uniform(-self.drift, self.drift) for _ in range(2)])
                change = drawn if number == 1 else _mix(change, drawn, self.shares)
                scale = scale + change
                scale = np.clip((scale + scale.mean()) / 2, *self.limits)
            size = np.array(frame.shape[1::-1])
            new = np.maximum((size * scale).astype(int), self.least)
            scaled.append(
                cv2.resize(frame.astype(np.float32), new.tolist(), interpolation=cv2.INTER_LINEAR)
            )
            scale = (new - 1) / (size - 1)
            points[:, number] *= scale
        results.update(frames=scaled, points=points)
        return results


@TRANSFORMS.register_module()
class DriftCrop(BaseTransform):
    """Cuts a window that drifts, at first around the points that are visible.

    Args:
        size: (H, W) of the window.
        drift: Largest step of its corner at once, pixels.
        shares: Of the step before, and of what is drawn, in the step of a frame.
    """

    def __init__(
        self, size: tuple[int, int], drift: int = 15, shares: tuple[float, float] = (0.8, 0.2)
    ) -> None:
        self.size = np.array(size[::-1])
        self.drift = drift
        self.shares = shares

    def transform(self, results: dict) -> dict:
        """Crop frames and move their points; those outside become hidden."""
        points = results["points"].copy()
        seen = points[results["visible"][:, 0], 0]
        middle = seen.mean(axis=0) if len(seen) else self.size
        corner = (middle - self.size // 2).astype(int)
        step: NDArray = np.zeros(2, int)
        cropped = []
        for number, frame in enumerate(results["frames"]):
            if number:
                # The published bounds: the first draw has one value less.
                first = number == 1
                drawn = np.random.randint(-self.drift, self.drift + (not first), 2)
                step = drawn if first else _mix(step, drawn, self.shares).astype(int)
            size = np.array(frame.shape[1::-1])
            corner = np.minimum(np.maximum(corner + step, 0), size - self.size - 1)
            cropped.append(_cut(frame, corner, self.size))
            points[:, number] -= corner
        results.update(frames=cropped, points=points)
        return _hide_outside(results, self.size)


@TRANSFORMS.register_module()
class CentreCrop(BaseTransform):
    """Cuts the middle of all frames.

    Args:
        size: (H, W) of the window.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = np.array(size[::-1])

    def transform(self, results: dict) -> dict:
        """Crop frames and move their points; those outside become hidden.

        Raises:
            InputError: The frames are smaller than the window.
        """
        size = np.array(results["frames"][0].shape[1::-1])
        if (size < self.size).any():
            raise InputError(
                f"Sample '{results['sample_path']}': its frames of {size[0]}x{size[1]} are smaller "
                f"than the window of {self.size[0]}x{self.size[1]}: train at a smaller size."
            )
        corner = (size - self.size) // 2
        results["frames"] = [_cut(frame, corner, self.size) for frame in results["frames"]]
        results["points"] = results["points"] - corner.astype(np.float32)
        return _hide_outside(results, self.size)


@TRANSFORMS.register_module()
class MirrorFrames(BaseTransform):
    """Mirrors a clip; a point at x moves to W - x.

    Args:
        prob: Probabilities of left for right, and of up for down.
    """

    def __init__(self, prob: tuple[float, float] = (0.5, 0.5)) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Turn frames and points round."""
        height, width = results["frames"][0].shape[:2]
        for axis, (prob, size) in enumerate(zip(self.prob, (width, height), strict=True)):
            if np.random.rand() < prob:
                results["frames"] = [np.flip(frame, 1 - axis) for frame in results["frames"]]
                results["points"] = results["points"].copy()
                results["points"][..., axis] = size - results["points"][..., axis]
        return results


def _mix(before: NDArray, drawn: NDArray, shares: tuple[float, float]) -> NDArray:
    return shares[0] * before + shares[1] * drawn


def _cut(frame: NDArray, corner: NDArray, size: NDArray) -> NDArray:
    left, top = corner
    return frame[top : top + size[1], left : left + size[0]]


def _hide_outside(results: dict, size: NDArray) -> dict:
    """Hide the points beyond the border of (width, height)."""
    points = results["points"]
    outside = ((points < 0) | (points > size)).any(axis=-1)
    results["visible"] = results["visible"] & ~outside
    return results
