"""How points are followed, which the weights leave open."""

from __future__ import annotations

from dataclasses import dataclass

import torch

CPU_CHUNK, GPU_CHUNK = 32, 512
"""Queries at a time; 32 with 48 slots of 1024 hidden channels are 6 MiB."""


@dataclass(frozen=True)
class TestSettings:
    """How points are followed.

    Attributes:
        memory: Past frames that the context and the spatial memory hold in use, one number or two;
            None for as many as in training.
        visibility_threshold: A point is visible above it; below it, the frame is not used by the
            spatial memory. So it changes tracks, not only what is said of them. Training uses it
            too.
        support_grid: Points along each side of a grid, in the first frame, that is followed with
            the points asked for, and not returned.
        query_chunk: Queries whose memories and patches are held at a time; it bounds memory and
            changes no result. None for what suits the device: few enough for the caches of a
            processor, or enough for a GPU to be busy.
    """

    __test__ = False  # not a test of pytest

    memory: int | tuple[int, int] | None = None
    visibility_threshold: float = 0.8
    support_grid: int = 20
    query_chunk: int | None = None

    @property
    def slots(self) -> tuple[int, int] | None:
        """Of the context and of the spatial memory."""
        if self.memory is None:
            return None
        context, spatial = (self.memory,) * 2 if isinstance(self.memory, int) else self.memory
        return context, spatial

    def chunk(self, device: torch.device) -> int:
        """Queries at a time on a device."""
        return self.query_chunk or (CPU_CHUNK if device.type == "cpu" else GPU_CHUNK)
