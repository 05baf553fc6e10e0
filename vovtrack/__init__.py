"""VOVTrack: track anything that can be named, in any video.

from vovtrack import load_tracker, read_video

tracker = load_tracker("mini", classes=["striped red star", "solid blue ring"])
for frame in read_video("video.mp4"):
    tracks = tracker.step(frame)
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("vovtrack")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"

_FACE = {"load_tracker": "vovtrack.engine.load", "read_video": "vovtrack.datasets.video"}

__all__ = ["__version__", *_FACE]


def __getattr__(name: str) -> Any:
    """Import the two public calls on first use: importing the package itself stays cheap."""
    if name in _FACE:
        return getattr(import_module(_FACE[name]), name)
    raise AttributeError(f"module 'vovtrack' has no attribute '{name}'")
