"""Public detections of MOTChallenge: ``<sequence>/det/det.txt``, which trackers are run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.files.hashing import file_sha256
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.mot.folders import DETECTIONS
from vovtrack.formats.mot.rows import read_rows
from vovtrack.formats.mot.videos import list_sequences


class MotDetections:
    """The detections of a folder of sequences.

    Args:
        folder: It holds ``<sequence>/{seqinfo.ini,det/det.txt}``.

    Attributes:
        videos: Names of the sequences, in order.

    Raises:
        InputError: There are no sequences, or one has no detections.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._sequences = list_sequences(folder)
        self.videos = tuple(self._sequences)
        if missing := [name for name in self.videos if not self._path(name).is_file()]:
            raise InputError(f"{folder}: sequence '{missing[0]}' has no {DETECTIONS}.")

    @staticmethod
    def lie_in(folder: str | Path) -> bool:
        """Whether a folder has such files."""
        return any(Path(folder).glob(f"*/{DETECTIONS}"))

    @property
    def content_sha256(self) -> str:
        """Hashes of all files."""
        return ",".join(file_sha256(self._path(name)) for name in self.videos)

    def frames(self, name: str) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Boxes (n, 4) xyxy and scores (n,) of every frame of a sequence, best first.

        Raises:
            InputError: A row is malformed, holds a number that is not finite, or is of no frame of
                the sequence.
        """
        num_frames = self._sequences[name].num_frames
        tree = FileTree(self.folder / name)
        rows = read_rows(tree, DETECTIONS, num_frames, InputFaults(), tracked=False)
        rows = rows.select(np.lexsort((-rows.confidences, rows.frames)))
        corners = np.hstack([rows.bboxes[:, :2], rows.bboxes[:, :2] + rows.bboxes[:, 2:]])
        ends = np.searchsorted(rows.frames, np.arange(num_frames + 1), side="right")
        for first, last in zip(ends[:-1], ends[1:], strict=True):
            scores = rows.confidences[first:last].astype(np.float32)
            yield corners[first:last].astype(np.float32), scores

    def _path(self, name: str) -> Path:
        return self.folder / name / DETECTIONS
