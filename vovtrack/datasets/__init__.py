"""Frames and videos as samples for testing, and their order."""

from vovtrack.datasets.point_videos import PointVideoDataset
from vovtrack.datasets.samplers import VideoBatchSampler, VideoSampler
from vovtrack.datasets.tao_video import TaoVideoDataset
from vovtrack.datasets.transforms import LoadCheckedImage
from vovtrack.datasets.video_dataset import VideoDataset
from vovtrack.datasets.views import NearbyFrames, views_collate

__all__ = [
    "LoadCheckedImage",
    "NearbyFrames",
    "PointVideoDataset",
    "TaoVideoDataset",
    "VideoBatchSampler",
    "VideoDataset",
    "VideoSampler",
    "views_collate",
]
