"""MOTChallenge folders: ``<sequence>/gt/gt.txt`` with ``seqinfo.ini``, and ``<sequence>.txt``.

A sequence map lists sequences, one per line under the header ``name``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree, open_binary
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.mot.folders import GT, INFO, sequence_section
from vovtrack.formats.mot.rows import MotRows, parse_rows, read_rows
from vovtrack.structures.vocabulary import first_repeated

_MAP_HEADER = "name"


@dataclass(frozen=True)
class MotSequence:
    """Ground truth of one sequence.

    Attributes:
        name: Its folder.
        num_frames: ``seqLength`` of its ``seqinfo.ini``.
        rows: Its ground truth.
    """

    name: str
    num_frames: int
    rows: MotRows


def read_sequence_map(path: str | Path) -> list[str]:
    """Read the names of a sequence map, in file order.

    Raises:
        InputError: It cannot be read, is empty, or lists a sequence twice.
    """
    with open_binary(path) as file:
        lines = file.read().decode("utf-8", "replace").splitlines()
    names = [name for line in lines if (name := line.split(",")[0].strip())]
    if names[:1] == [_MAP_HEADER]:
        names = names[1:]
    if not names:
        raise InputError(f"{path}: expected one sequence per line under '{_MAP_HEADER}'.")
    if (repeated := first_repeated(names)) is not None:
        raise InputError(f"{path}: sequence '{repeated}' is listed twice.")
    return names


def find_sequences(path: str | Path) -> dict[str, str]:
    """Find the ground truth of all sequences of a folder or ``.zip``.

    Returns:
        {sequence: its folder inside, with a slash at the end}, by name.

    Raises:
        InputError: There is no ``<sequence>/gt/gt.txt``, or two sequences have one name.
    """
    files = [name for name in FileTree(path).names(GT) if f"/{name}".endswith(f"/{GT}")]
    if not files:
        raise InputError(f"{path}: found no <sequence>/gt/gt.txt in it.")
    folders: dict[str, str] = {}
    for file in files:
        folder = file.removesuffix(GT)
        name = PurePosixPath(folder).name or Path(path).stem
        if name in folders:
            raise InputError(f"{path}: two sequences are called '{name}'.")
        folders[name] = folder
    return dict(sorted(folders.items()))


def read_ground_truth(
    path: str | Path, folders: dict[str, str], problems: InputFaults
) -> list[MotSequence]:
    """Read sequences.

    Args:
        path: Folder or ``.zip``.
        folders: Which sequences of :func:`find_sequences`.
        problems: See :func:`read_rows`.

    Raises:
        InputError: A ``seqinfo.ini`` is missing or lacks ``seqLength``, or a file is malformed.
    """
    tree = FileTree(path)
    sequences = []
    for name, folder in folders.items():
        length = _sequence_length(tree, folder + INFO)
        rows = read_rows(tree, folder + GT, length, problems)
        sequences.append(MotSequence(name, length, rows))
    return sequences


def read_predictions(
    path: str | Path,
    sequences: list[MotSequence],
    problems: InputFaults,
    unasked: Collection[str] = (),
) -> list[MotRows]:
    """Read the results of every sequence from a folder or ``.zip`` of ``<sequence>.txt``.

    A missing file and a file of an unknown sequence are reported; an empty file is a result.

    Args:
        path: Folder or ``.zip``. Where it has a folder ``data``, as TrackEval asks, only files in
            such a folder are results.
        sequences: Their ground truth.
        problems: Told of missing and unknown files, and see :func:`read_rows`.
        unasked: Further sequences that may have results, which are not read.

    Returns:
        One entry per sequence, without rows where its file is missing.
    """
    tree = FileTree(path)
    files: dict[str, str] = {}
    for file in _result_files(tree):
        name = PurePosixPath(file).stem
        if name in files:
            raise InputError(f"{path}: '{files[name]}' and '{file}' are of one sequence.")
        files[name] = file
    known = {sequence.name for sequence in sequences}
    for name in sorted(set(files) - known - set(unasked)):
        problems.report(path, files[name], "the ground truth has no such sequence")
    for name in sorted(known - set(files)):
        problems.report(path, f"{name}.txt", "the results of this sequence are missing")
    return [
        read_rows(tree, files[s.name], s.num_frames, problems)
        if s.name in files
        else parse_rows("", path)
        for s in sequences
    ]


def _result_files(tree: FileTree) -> list[str]:
    """Text files, without the summaries that TrackEval writes beside the folder ``data``."""
    files = tree.names(".txt")
    return [file for file in files if PurePosixPath(file).parent.name == "data"] or files


def _sequence_length(tree: FileTree, name: str) -> int:
    place = f"{tree.path}/{name}"
    return int(sequence_section(tree.read_text(name), place, numbers=("seqLength",))["seqLength"])
