"""How much of everything a mini world holds."""

from __future__ import annotations

from dataclasses import dataclass

from vovtrack.errors import one_of


@dataclass(frozen=True)
class WorldSize:
    """Counts and lengths of one mini world.

    Attributes:
        train_stills: LVIS-style training images (base classes only).
        val_stills: LVIS-style validation images (base and novel classes).
        pairs: Image pairs for association training (base classes only).
        train_videos: TAO-style training videos (base classes only).
        val_videos: TAO-style validation videos (base and novel classes).
        more_val_videos: The same of each of the other two evaluation worlds.
        video_frames: Frames per TAO-style video on disk.
        stride: Every ``stride``-th frame of a TAO-style video is annotated, the first included.
        raw_clips: Unlabelled clips of the shifted domain.
        raw_frames: Frames per raw clip.
        shifted_videos: TAO-style validation videos of the shifted domain.
        width: Image width in pixels.
        height: Image height in pixels.
    """

    train_stills: int
    val_stills: int
    pairs: int
    train_videos: int
    val_videos: int
    more_val_videos: int
    video_frames: int
    stride: int
    raw_clips: int
    raw_frames: int
    shifted_videos: int
    width: int = 256
    height: int = 192


SIZES = {
    "tiny": WorldSize(12, 6, 6, 2, 3, 1, 13, 4, 2, 14, 1),
    "validation": WorldSize(12, 6, 6, 2, 24, 1, 45, 4, 2, 14, 1),
    "training": WorldSize(4500, 500, 2000, 2, 3, 1, 45, 4, 2, 28, 1),
    "small": WorldSize(900, 400, 400, 12, 24, 24, 45, 4, 48, 28, 24),
    "large": WorldSize(4500, 500, 2000, 60, 120, 120, 45, 4, 240, 28, 120),
}


def world_size(size: str) -> WorldSize:
    """Return the named size.

    Raises:
        InputError: ``size`` is not one of ``SIZES``.
    """
    return SIZES[one_of("size", size, SIZES)]
