"""Many recordings, and the folder in which each of them has its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vovtrack.errors import InputError, WriteError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hdf5 import SUFFIXES

RESULTS = "_tracking_results.json"
"""End of the names of files with tracked points."""
NOTE = "extracted.json"
"""Name of the file that says what was extracted, and how."""


@dataclass(frozen=True)
class CameraFiles:
    """The files of the cameras of one recording.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    def image(self, camera: str) -> Path:
        """First frame of a camera."""
        return self.folder / f"{camera}.png"

    def labels(self, camera: str) -> Path:
        """Points on the first frame, where labelme puts them."""
        return self.folder / f"{camera}.json"

    def results(self, camera: str) -> Path:
        """Tracked points of a camera."""
        return self.folder / f"{camera}{RESULTS}"

    def backward(self, camera: str) -> Path:
        """Points that were followed back from the end."""
        return self.folder / f"{camera}_backward.json"

    def sheet(self, camera: str) -> Path:
        """Contact sheet of a camera."""
        return self.folder / f"{camera}_sheet.png"

    @property
    def note(self) -> Path:
        """What was extracted, and how."""
        return self.folder / NOTE

    @property
    def cameras(self) -> list[str]:
        """Those whose first frames were extracted; none if nothing was."""
        names = (read_note(self.note) or {}).get("cameras")
        return [str(name) for name in names] if isinstance(names, list) else []


@dataclass(frozen=True)
class Place(CameraFiles):
    """A recording and its folder in the work folder.

    Attributes:
        name: Of the recording: its file without suffix, below the folder that was named.
        path: The HDF5 file.
    """

    name: str
    path: Path

    @property
    def identity(self) -> dict[str, Any]:
        """What changes when the recording is another."""
        status = self.path.stat()
        return dict(bytes=status.st_size, mtime_ns=status.st_mtime_ns)


@dataclass
class Outcome:
    """What became of the recordings of a batch.

    Attributes:
        done: Names of those that were worked on.
        kept: Names of those that an earlier run had finished.
        problems: A sentence for each that could not be worked on.
        notes: What the user should know of the others.
    """

    done: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_recordings(paths: Sequence[str | Path], work: str | Path) -> list[Place]:
    """Find recordings and name them.

    Args:
        paths: HDF5 files, or folders in which they are looked for, also in sub-folders.
        work: The folder in which each has its own, by its name.

    Raises:
        InputError: There is none, or two would have one name.
    """
    found: dict[str, Path] = {}
    for given in map(Path, paths):
        if not given.exists():
            raise InputError(f"There is no recording or folder '{given}'.")
        inside = [given]
        if given.is_dir():
            inside = sorted(p for p in given.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        if not inside:
            raise InputError(f"'{given}' holds no recordings ({', '.join(SUFFIXES)}).")
        for path in inside:
            name = path.relative_to(given) if given.is_dir() else Path(path.name)
            other = found.setdefault(name.with_suffix("").as_posix(), path)
            if other != path:
                raise InputError(
                    f"'{other}' and '{path}' would both be called '{name.with_suffix('')}': name "
                    "the folder above them, or work on them one after the other."
                )
    return [Place(Path(work) / name, name, path) for name, path in found.items()]


def work_through(
    places: Sequence[Place], step: Callable[[Place, Outcome], bool], progress: bool = False
) -> Outcome:
    """Do one step with each recording; one that cannot be worked on does not stop the others.

    Args:
        places: The recordings.
        step: Does it, and returns whether there was something to do.
        progress: Show a bar with rate and remaining time.

    Raises:
        WriteError: The disk is full.
    """
    outcome = Outcome()
    for place in tqdm(places, unit="recording", disable=not progress):
        try:
            (outcome.done if step(place, outcome) else outcome.kept).append(place.name)
        except WriteError:  # of the disk, not of this recording
            raise
        except InputError as error:
            outcome.problems.append(str(error))
    return outcome


def read_note(path: Path) -> dict[str, Any] | None:
    """What an earlier run noted when it had finished; None if nothing can be read there."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def write_note(path: Path, content: Mapping[str, Any]) -> None:
    """Note that a recording is finished."""
    with atomic_write(path) as file:
        json.dump(content, file, indent=1)
