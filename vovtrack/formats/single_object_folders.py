"""Texts of single-object sequences: those of OTB and of GOT-10k.

OTB: ``<sequence>/img/0001.jpg`` and so on, ``<sequence>/groundtruth_rect.txt``, and
``anno/att/<sequence>.txt`` with a flag for each of ``ATTRIBUTES``. GOT-10k:
``<sequence>/00000001.jpg`` and so on, ``groundtruth.txt``, three ``.label`` files and
``meta_info.ini`` beside them, and ``list.txt`` with the names of all sequences.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

ATTRIBUTES = ("IV", "OPR", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OV", "BC", "LR")
"""Illumination variation, out-of-plane rotation, scale variation, occlusion, deformation, motion
blur, fast motion, in-plane rotation, out of view, background clutter, low resolution."""
NAMED_ATTRIBUTES = (
    ATTRIBUTES,
    ("SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SOB"),
    ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC"),
)
"""Of OTB, UAV123 and LaSOT, in the order of their flags. Besides those of OTB: change of the aspect
ratio, full and partial occlusion, change of the view point, camera motion, similar objects,
rotation."""
_COVER_LIMITS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)


def box_rows(bboxes: NDArray[np.floating], decimals: int, origin: int = 0) -> str:
    """A row ``x,y,w,h`` for each frame.

    Args:
        bboxes: (T, 4) xyxy in pixels.
        decimals: Of the numbers.
        origin: Where the first pixel begins: 1 in OTB, which counts as Matlab does, else 0.
    """
    x1, y1, x2, y2 = bboxes.astype(np.float64).T
    rows = np.column_stack([x1 + origin, y1 + origin, x2 - x1, y2 - y1])
    return "".join(",".join(f"{v:.{decimals}f}" for v in row) + "\n" for row in rows.tolist())


def attribute_row(present: Iterable[str]) -> str:
    """The attribute file of an OTB sequence.

    Args:
        present: Which of ``ATTRIBUTES``.
    """
    names = set(present)
    return ",".join(str(int(name in names)) for name in ATTRIBUTES) + "\n"


def label_rows(values: NDArray[np.integer | np.bool_]) -> str:
    """A ``.label`` file of GOT-10k: a whole number for each frame."""
    return "".join(f"{int(value)}\n" for value in values)


def cover_levels(visible: NDArray[np.floating], whole: float = 1.0) -> NDArray[np.int64]:
    """``cover.label`` of GOT-10k, which is named after what hides and tells what is seen.

    Levels: 0 of nothing, 1 to 15 %, 2 to 30 %, 3 to 45 %, 4 to 60 %, 5 to 75 %, 6 to 90 %, 7 of
    less than everything, 8 of everything.

    Args:
        visible: (T,) part of the target that is seen, in [0, 1].
        whole: What counts as everything.
    """
    levels = np.searchsorted(_COVER_LIMITS, visible, side="left").astype(np.int64)
    levels[visible >= whole] = 8
    return levels


def meta_info(
    name: str, object_class: str, width: int, height: int, num_frames: int, frame_rate: int
) -> str:
    """``meta_info.ini`` of GOT-10k; programs find its entries by their lines."""
    return (
        f"[METAINFO]\nurl: {name}\nbegin: 00:00:00\nend: {_clock(num_frames / frame_rate)}\n"
        f"anno_fps: {frame_rate}Hz\nobject_class: {object_class}\nmotion_class: moving\n"
        f"major_class: {object_class}\nroot_class: object\nmotion_adverb: normally\n"
        f"resolution: ({width}, {height})\n"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"
