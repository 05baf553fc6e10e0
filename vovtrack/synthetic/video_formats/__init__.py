"""The formats that rendered videos are written in, one module each."""

from vovtrack.synthetic.video_formats.base import Video, VideoFormat
from vovtrack.synthetic.video_formats.bdd100k import Bdd100k
from vovtrack.synthetic.video_formats.mot import MotChallenge

FORMATS: dict[str, type[VideoFormat]] = {"mot": MotChallenge, "bdd100k": Bdd100k}
"""The formats by name."""

__all__ = ["FORMATS", "Video", "VideoFormat"]
