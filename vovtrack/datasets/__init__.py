"""Frames and videos as samples for testing, and their order."""

from vovtrack.datasets.bdd_video import BddVideoDataset
from vovtrack.datasets.samplers import VideoBatchSampler, VideoSampler
from vovtrack.datasets.tao_video import TaoVideoDataset
from vovtrack.datasets.transforms import LoadCheckedImage

__all__ = [
    "BddVideoDataset",
    "LoadCheckedImage",
    "TaoVideoDataset",
    "VideoBatchSampler",
    "VideoSampler",
]
