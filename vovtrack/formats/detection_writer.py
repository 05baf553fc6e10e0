"""Writing a file of detections in stills: image by image, by several processes at once.

The file is a JSON array of rows, ``{image_id, category_id, score, bbox}`` and for masks
``segmentation``. Until it is complete, ``<path>.parts`` holds a file per process with a line per
image, so that nothing of it needs to be in memory.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from vovtrack.files.atomic import Draft, atomic_write


class DetectionWriter:
    """The part of one process.

    Args:
        path: The result file; all processes name the same, on one disk.
        rank: Number of the process, from 0.

    Raises:
        WriteError: The folder cannot be written to.
        InputError: ``path`` must not be written to.
    """

    def __init__(self, path: str | Path, rank: int = 0) -> None:
        self.path = Path(path)
        self._draft = Draft(_part(self.path, rank))

    def write_image(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Store the detections of the next image of this process; there may be none.

        Raises:
            WriteError: The disk is full.
        """
        self._draft.append(", ".join(map(json.dumps, rows)) + "\n")

    def close(self) -> None:
        """Finish the part."""
        self._draft.publish()


def join_detections(path: str | Path, processes: int, images: int) -> None:
    """Write the result file from the parts of all processes, and remove them.

    Args:
        path: The result file.
        processes: How many there were; each took every ``processes``-th image of the dataset.
        images: Size of the dataset; what processes repeat at its end, to have equally many, is
            left out.

    Raises:
        WriteError: The disk is full; the parts stay.
    """
    path = Path(path)
    with ExitStack() as stack:
        parts = [
            stack.enter_context(open(_part(path, rank), encoding="utf-8"))
            for rank in range(processes)
        ]
        in_order = chain.from_iterable(zip_longest(*parts))
        separator = "["
        with atomic_write(path) as file:
            for rows in _rows(islice(in_order, images)):
                file.write(f"{separator}\n{rows}")
                separator = ","
            file.write("\n]\n" if separator == "," else "[]\n")
    shutil.rmtree(_part(path, 0).parent)


def _rows(lines: Iterable[str | None]) -> Iterator[str]:
    """The lines of images that have detections."""
    for line in lines:
        if line and line.strip():
            yield line.strip()


def _part(path: Path, rank: int) -> Path:
    return path.with_name(path.name + ".parts") / f"{rank}.txt"
