"""The formats that rendered videos are written in, one module each."""

from vovtrack.synthetic.video_formats.base import Video, VideoFormat
from vovtrack.synthetic.video_formats.bdd100k import Bdd100k
from vovtrack.synthetic.video_formats.got10k import Got10k
from vovtrack.synthetic.video_formats.mot import MotChallenge
from vovtrack.synthetic.video_formats.movi import MoviF
from vovtrack.synthetic.video_formats.otb import Otb
from vovtrack.synthetic.video_formats.tapvid import TapVid

FORMATS: dict[str, type[VideoFormat]] = {
    "mot": MotChallenge,
    "bdd100k": Bdd100k,
    "tapvid": TapVid,
    "movi": MoviF,
    "otb": Otb,
    "got10k": Got10k,
}
"""The formats by name."""

__all__ = ["FORMATS", "Video", "VideoFormat"]
