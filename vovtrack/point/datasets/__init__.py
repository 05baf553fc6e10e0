"""Clips to train point trackers on, and how they are augmented.

A clip in a pipeline is a dict with ``frames``, T arrays (H, W, 3) RGB; ``points``, (N, T, 2)
float32 ``(x, y)`` in pixels of these frames; ``visible``, (N, T) bool; and ``sample_path``.

The augmentation is that of CoTracker (Karaev et al., ECCV 2024), which Track-On trains with. What
is drawn at random comes from numpy, or inside of libraries from torch, in the order of the
released training, so that equal seeds give equal clips.
"""

from vovtrack.point.datasets.appearance import BlurFrames, EraseBoxes, JitterColours, ReplaceBoxes
from vovtrack.point.datasets.geometry import (
    CentreCrop,
    DriftCrop,
    DriftScale,
    MirrorFrames,
    PadFrames,
)
from vovtrack.point.datasets.movi_f import (
    DrawQueries,
    LoadPointClip,
    MoviFDataset,
    PackPointClip,
    PickPoints,
)

__all__ = [
    "BlurFrames",
    "CentreCrop",
    "DrawQueries",
    "DriftCrop",
    "DriftScale",
    "EraseBoxes",
    "JitterColours",
    "LoadPointClip",
    "MirrorFrames",
    "MoviFDataset",
    "PackPointClip",
    "PadFrames",
    "PickPoints",
    "ReplaceBoxes",
]
