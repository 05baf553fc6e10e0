"""Texts of a MOTChallenge sequence: ``gt/gt.txt``, ``det/det.txt`` and ``seqinfo.ini``."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError

GT = "gt/gt.txt"
DETECTIONS = "det/det.txt"
INFO = "seqinfo.ini"
PICTURES = "img1"


@dataclass(frozen=True)
class SequenceInfo:
    """What ``seqinfo.ini`` says.

    Attributes:
        name: Of the sequence.
        num_frames: Its length.
        width: Of its pictures in pixels.
        height: Of its pictures in pixels.
        frame_rate: Frames per second.
        suffix: Of its pictures, which are called ``000001`` and so on.
        pictures: Folder of its pictures.
    """

    name: str
    num_frames: int
    width: int
    height: int
    frame_rate: int
    suffix: str = ".jpg"
    pictures: str = PICTURES

    @classmethod
    def parse(cls, text: str, place: str) -> SequenceInfo:
        """Read the file.

        Args:
            text: Its content.
            place: Its name, for messages.

        Raises:
            InputError: It lacks something.
        """
        numbers = ("seqLength", "imWidth", "imHeight", "frameRate")
        section = sequence_section(text, place, numbers, ("name", "imDir", "imExt"))
        length, width, height, rate = (int(section[key]) for key in numbers)
        return cls(section["name"], length, width, height, rate, section["imExt"], section["imDir"])

    def text(self) -> str:
        """The file."""
        return (
            f"[Sequence]\nname={self.name}\nimDir={self.pictures}\nframeRate={self.frame_rate}\n"
            f"seqLength={self.num_frames}\nimWidth={self.width}\nimHeight={self.height}\n"
            f"imExt={self.suffix}\n"
        )


def sequence_section(
    text: str, place: str, numbers: Sequence[str], texts: Sequence[str] = ()
) -> Mapping[str, str]:
    """The one section of a ``seqinfo.ini``.

    Args:
        text: The file.
        place: Its name, for messages.
        numbers: Keys that must have whole numbers of at least 0.
        texts: Keys that must be there.

    Raises:
        InputError: It lacks one of them.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text, place)
        section = dict(parser["Sequence"])
    except (configparser.Error, KeyError):
        section = {}
    found = {key: section.get(key.lower(), "").strip() for key in (*numbers, *texts)}
    for key, value in found.items():
        if not value or (key in numbers and not value.isdecimal()):
            kind = "<whole number>" if key in numbers else "<text>"
            raise InputError(f"{place}: expected [Sequence] with {key}={kind}.")
    return found


def truth_rows(
    frame: int,
    tracks: Iterable[int],
    bboxes: NDArray[np.floating],
    visible: NDArray[np.floating],
    category: int = 1,
) -> str:
    """Rows of ``gt.txt`` of one frame, all of them to be evaluated.

    Args:
        frame: Counts from 0; in the file from 1.
        tracks: N ids, from 1.
        bboxes: (N, 4) xyxy around the whole objects.
        visible: (N,) part of every object that is seen, in [0, 1].
        category: Their class; 1 is a pedestrian.
    """
    return "".join(
        f"{frame + 1},{track},{_box(bbox)},1,{category},{part:.5f}\n"
        for track, bbox, part in zip(tracks, bboxes, visible, strict=True)
    )


def detection_rows(frame: int, bboxes: NDArray[np.floating], scores: NDArray[np.floating]) -> str:
    """Rows of ``det.txt`` of one frame.

    Args:
        frame: Counts from 0; in the file from 1.
        bboxes: (N, 4) xyxy.
        scores: (N,).
    """
    return "".join(
        f"{frame + 1},-1,{_box(bbox)},{score:.4f},-1,-1,-1\n"
        for bbox, score in zip(bboxes, scores, strict=True)
    )


def _box(bbox: NDArray[np.floating]) -> str:
    x1, y1, x2, y2 = bbox.tolist()
    return f"{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
