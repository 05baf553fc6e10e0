"""Rendered videos as single-object sequences of OTB."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vovtrack.files.atomic import atomic_write, create
from vovtrack.files.folders import new_folder
from vovtrack.formats.single_object_folders import attribute_row, box_rows
from vovtrack.synthetic.video_formats.base import Video, VideoFormat, write_frames
from vovtrack.synthetic.video_formats.target import Target, choose_target
from vovtrack.synthetic.video_source import VideoSource

# Thresholds of the benchmark where it names them; else what the eye begins to see.
_SCALE = 2.0
_FAST = 20.0
_SMALL = 400.0
_BLUR = 2.0
_LIGHT = 1.3
_TURN = np.deg2rad(20)
_HIDDEN = 0.9


class Otb(VideoFormat):
    """A folder for each sequence, and a row of attributes.

    The box goes around all of the target and is cut at the image. OTB cannot say that there is no
    target: the sequence ends where it has left the image.
    """

    def places(self, video: Video) -> tuple[Path, Path]:
        """Return its folder and its attributes."""
        return video.root / video.name, video.root / "anno/att" / f"{video.name}.txt"

    def write(self, video: Video, source: VideoSource) -> None:
        """Render a video and write its files."""
        target = choose_target(source, video.rng(), stays=True)
        place, flags = self.places(video)
        with atomic_write(flags) as file:
            file.write(attribute_row(attributes(target)))
        with new_folder(place, replace=True) as folder:
            named = "{:04d}.jpg".format
            for _ in write_frames(folder / "img", source, named, target.frames):
                pass
            create(folder / "groundtruth_rect.txt", box_rows(target.bboxes, 2, origin=1).encode())


def attributes(target: Target) -> list[str]:
    """Which attributes of OTB a sequence has.

    Of Wu, Lim, Yang: "Object Tracking Benchmark", TPAMI 2015, with its thresholds for scale (a
    factor of 2 to the first frame), speed (20 pixels per frame) and resolution (400 pixels). Flat,
    stiff objects have neither out-of-plane rotation nor deformation; clutter is not judged.
    """
    sizes = target.bboxes[:, 2:] - target.bboxes[:, :2]
    centres = (target.bboxes[:, 2:] + target.bboxes[:, :2]) / 2
    scale = sizes.prod(axis=1) / sizes[0].prod()
    uncut = target.inside >= 1
    steps = np.hypot(*np.diff(centres, axis=0).T)
    turned = np.abs(np.angle(np.exp(1j * (target.turn - target.turn[0]))))
    present = {
        "IV": target.light.max() > _LIGHT * target.light.min(),
        "SV": (uncut & ((scale > _SCALE) | (scale < 1 / _SCALE))).any(),
        "OCC": (target.visible < _HIDDEN * target.inside).any(),
        "MB": (target.blur > _BLUR).any(),
        "FM": (steps > _FAST).any(),
        "IPR": (turned > _TURN).any(),
        "OV": not uncut.all(),
        "LR": (uncut & (sizes.prod(axis=1) < _SMALL)).any(),
    }
    return [name for name, found in present.items() if found]
