"""Pipelines of frames for tests that build a tracker by hand."""

from __future__ import annotations

from vovtrack.datasets.frame_pipeline import FramePipeline


def resized_to(*scale: int) -> FramePipeline:
    """Fits frames into (long, short) sides, as test pipelines do."""
    resize = dict(type="Resize", scale=scale, keep_ratio=True)
    return FramePipeline([resize, dict(type="PackDetInputs")])
