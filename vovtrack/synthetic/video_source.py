"""What a video can be written from."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vovtrack.synthetic.truth import FrameTruth


class VideoSource(Protocol):
    """A video that can be rendered frame by frame, with exact ground truth.

    The same source gives the same pixels and the same truth whenever it is asked.
    """

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,), the class of every object."""
        ...

    @property
    def width(self) -> int:
        """Of its frames in pixels."""
        ...

    @property
    def height(self) -> int:
        """Of its frames in pixels."""
        ...

    @property
    def num_frames(self) -> int:
        """How many there are."""
        ...

    def truth_of(self, frame: int) -> FrameTruth:
        """Ground truth of one frame, without rendering it."""
        ...

    def render(self, frame: int) -> tuple[NDArray[np.uint8], FrameTruth]:
        """Image of one frame, (H, W, 3) RGB, and its ground truth."""
        ...
