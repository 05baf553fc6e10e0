"""Ground truth of single-object benchmarks: a box for each frame of a sequence.

A row is ``x, y, w, h`` in pixels, between commas, tabs or blanks, as the benchmark counts them (OTB
from 1). Rows of eight numbers are polygons of VOT and become rectangles of the same centre and
area; rows of ten words are those of NfS: an object, ``x1, y1, x2, y2``, a frame, and flags, of
which the first says that the target is lost. :mod:`vovtrack.formats.single_object_layouts` says
which files are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.formats.polygons import CORNERS, equal_area_rectangle
from vovtrack.formats.single_object_folders import NAMED_ATTRIBUTES
from vovtrack.formats.single_object_layouts import SequenceFiles, find_sequences

_BETWEEN = re.compile(r"[,;\s]+")
_META = re.compile(r"^\s*(\w+)\s*[:=]\s*(.*?)\s*$", flags=re.MULTILINE)
_SIZE = re.compile(r"\(?\s*(\d{1,9})\s*[,x]\s*(\d{1,9})(?!\d)")
_NFS_WORDS, _NFS_LOST = 10, 6
_FLAGS = {
    "full_occlusion.txt": True,
    "out_of_view.txt": True,
    "absence.label": True,
    "cover.label": False,
}
"""Files of a flag for each frame, and whether the flag hides the target."""


@dataclass(frozen=True)
class SotSequence:
    """Ground truth of one sequence.

    Attributes:
        name: Its name.
        bboxes: (T, 4) float64 ``(x, y, w, h)``, as written: where there is no target, benchmarks
            write NaN, zeros or negative numbers.
        visible: (T,) bool, all True where the dataset does not say.
        size: (width, height) of the images, or None where the dataset does not say.
        attributes: What makes it difficult, in the benchmark's words.
        object_class: What the target is, or ``object``.
        files: Where it was read.
    """

    name: str
    bboxes: NDArray[np.float64]
    visible: NDArray[np.bool_]
    size: tuple[int, int] | None
    attributes: tuple[str, ...]
    object_class: str
    files: SequenceFiles

    @property
    def present(self) -> NDArray[np.bool_]:
        """(T,) bool, where there is a target: visible, and with a box of some size."""
        finite = np.isfinite(self.bboxes)
        some = np.nan_to_num(self.bboxes[:, 2:]) > 0
        found: NDArray[np.bool_] = self.visible & np.all(finite, axis=1) & np.all(some, axis=1)
        return found


def read_ground_truth(
    path: str | Path, names: str | Path | Sequence[str] | None = None
) -> list[SotSequence]:
    """Read sequences of a folder or ``.zip``, in the order of their names.

    Args:
        path: Folder or archive.
        names: Read these only: names, or a file with a name in each line, such as GOT-10k's
            ``list.txt`` and LaSOT's ``testing_set.txt``.

    Raises:
        InputError: There is none, a file is malformed, a list of visible frames has another
            length than the ground truth, or a name of ``names`` is unknown.
    """
    tree = FileTree(path)
    found = {files.name: files for files in find_sequences(tree)}
    if names is None:
        return [_sequence(tree, files) for files in found.values()]
    wanted = _names(names)
    if unknown := [name for name in wanted if name not in found]:
        raise InputError(f"{path}: there is no sequence '{unknown[0]}', which 'names' asks for.")
    return [_sequence(tree, found[name]) for name in sorted(set(wanted))]


def read_boxes(tree: FileTree, name: str, only_boxes: bool = False) -> NDArray[np.float64]:
    """Read rows of boxes: (T, 4) ``x, y, w, h``.

    Args:
        tree: Folder or archive.
        name: File in it.
        only_boxes: Refuse polygons and rows of NfS.

    Raises:
        InputError: A row is malformed.
    """
    rows = []
    for number, line in enumerate(tree.read_text(name).splitlines(), 1):
        words = [word for word in _BETWEEN.split(line.strip()) if word]
        if not words:
            continue
        known = (4,) if only_boxes else (4, CORNERS, _NFS_WORDS)
        try:
            if len(words) not in known:
                raise ValueError(f"{len(words)} numbers; expected x, y, w, h{_restarted(words)}")
            rows.append(_box(words))
        except ValueError as error:
            raise InputError(f"{tree.path}/{name}, line {number}: {error}.") from None
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _restarted(words: list[str]) -> str:
    hint = " (codes 0, 1, 2 of a restarted tracker are scored by the benchmark vot)"
    return hint if words in (["0"], ["1"], ["2"]) else ""


def _box(words: list[str]) -> list[float]:
    if len(words) == _NFS_WORDS:
        if words[_NFS_LOST] == "1":
            return [0.0, 0.0, 0.0, 0.0]
        left, top, right, bottom = map(float, words[1:5])
        return [left, top, right - left, bottom - top]
    numbers = [float(word) for word in words]
    return list(equal_area_rectangle(np.array(numbers)))


def _names(names: str | Path | Sequence[str]) -> list[str]:
    if not isinstance(names, str | Path):
        return list(names)
    path = Path(names)
    return FileTree(path.parent).read_text(path.name).split()


def _sequence(tree: FileTree, files: SequenceFiles) -> SotSequence:
    boxes = read_boxes(tree, files.boxes)
    if not len(boxes):
        raise InputError(f"{tree.path}/{files.boxes}: there is no box in it.")
    visible = np.ones(len(boxes), dtype=bool)
    # Flat files have no folder of their own, so that what lies beside them is not theirs.
    meta: dict[str, str] = {}
    if files.folders:
        for label, hides in _FLAGS.items():
            flags = _flags(tree, files.home + label, len(boxes), hides)
            visible &= flags == 0 if hides else flags > 0
        if (info := f"{files.home}meta_info.ini") in tree:
            meta = dict(_META.findall(tree.read_text(info)))
    size = _SIZE.match(meta.get("resolution", ""))
    return SotSequence(
        name=files.name,
        bboxes=boxes,
        visible=visible,
        size=(int(size[1]), int(size[2])) if size else None,
        attributes=_attributes(tree, files),
        object_class=meta.get("object_class") or _class_of(files),
        files=files,
    )


def _class_of(files: SequenceFiles) -> str:
    """LaSOT names a sequence after its class and a number, and its folder after the class."""
    name, _, number = files.name.rpartition("-")
    return name if name and number.isdigit() else "object"


def _attributes(tree: FileTree, files: SequenceFiles) -> tuple[str, ...]:
    """Names of the benchmark with that many flags, else their numbers, as its paper lists them."""
    for name in files.attribute_files():
        if name in tree:
            flags = [word for word in _BETWEEN.split(tree.read_text(name)) if word]
            if not set(flags) <= {"0", "1"}:
                raise InputError(f"{tree.path}/{name}: expected flags 0 and 1, one per attribute.")
            numbers = tuple(range(1, len(flags) + 1))
            known = next((n for n in NAMED_ATTRIBUTES if len(n) == len(flags)), numbers)
            return tuple(str(word) for word, flag in zip(known, flags, strict=True) if flag == "1")
    return ()


def _flags(tree: FileTree, name: str, frames: int, hides: bool) -> NDArray[np.int64]:
    """One whole number per frame; what says "visible" where there is no such file."""
    if name not in tree:
        return np.full(frames, 0 if hides else 1)
    words = [word for word in _BETWEEN.split(tree.read_text(name)) if word]
    try:
        flags = np.array([int(float(word)) for word in words])
    except (ValueError, OverflowError):
        raise InputError(f"{tree.path}/{name}: expected whole numbers, one per frame.") from None
    if len(flags) != frames:
        raise InputError(f"{tree.path}/{name}: {len(flags)} numbers for {frames} frames.")
    return flags
