"""Small robot recordings: a smooth picture that moves past the cameras."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SHIFT = 2, 1
"""Pixels (x, y) by which what is seen moves left and up from frame to frame."""


def moving(num_frames: int, height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """(T, H, W, 3) uint8: what is at (x, y) in frame 0 is at (x, y) - t SHIFT in frame t."""
    rng = np.random.default_rng(seed)
    size = height + num_frames * SHIFT[1], width + num_frames * SHIFT[0]
    coarse = rng.uniform(0, 255, (size[0] // 4, size[1] // 4, 3)).astype(np.float32)
    whole = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 255)
    corners = [(t * SHIFT[1], t * SHIFT[0]) for t in range(num_frames)]
    return np.stack([whole[y : y + height, x : x + width] for y, x in corners]).astype(np.uint8)


def write_stacked(path: Path, cameras: dict[str, np.ndarray], **attributes) -> Path:
    """Write the stacked layout; frames (T, H, W, 3) by camera."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for name, frames in cameras.items():
            file.create_dataset(f"images/{name}", data=frames, compression="gzip")
        file["joint/qpos"] = np.arange(7.0)
    return path


def write_steps(path: Path, cameras: list[np.ndarray], names: list[str] | None = None) -> Path:
    """Write the layout of steps; frames (T, H, W, 3) of each camera."""
    import h5py

    frames = np.stack(cameras, axis=1).transpose(0, 1, 4, 2, 3)
    names = names or [f"step_{t}" for t in range(len(frames))]
    with h5py.File(path, "w") as file:
        for name, frame in zip(names, frames, strict=True):
            file[f"{name}/obs/image"] = frame[None]
            file[f"{name}/action"] = np.zeros((1, 7))
    return path
