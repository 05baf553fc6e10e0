"""Frames and videos as samples for testing, and their order."""

from vovtrack.datasets.samplers import VideoSampler
from vovtrack.datasets.tao_video import TaoVideoDataset

__all__ = ["TaoVideoDataset", "VideoSampler"]
