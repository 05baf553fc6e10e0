"""Result files of single-object trackers: a row ``x, y, w, h`` in pixels for each frame.

Read are ``<sequence>.txt`` in a folder or ``.zip``; a folder for each run of a tracker that was run
several times (``dimp50_000``, ``dimp50_001``, ...); and the folders of GOT-10k with up to three
runs, ``<sequence>/<sequence>_001.txt``. Numbers stand between commas, tabs or blanks. Beside them
may lie ``<sequence>_time.txt`` (seconds) and ``<sequence>_object_presence_scores.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.files.atomic import atomic_write
from vovtrack.files.packing import pack_texts
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.single_object import SotSequence, read_boxes

TIMES, PRESENCE = "_time", "_object_presence_scores"
_BESIDE = (TIMES, PRESENCE, "_all_boxes", "_all_scores")
_RUN = re.compile(r"(.+)_(\d{3})")


def read_predictions(
    path: str | Path, sequences: Sequence[SotSequence], problems: InputFaults, corners: bool = False
) -> dict[str, list[NDArray[np.float64]]]:
    """Read the predictions of every sequence: by run, (T, 4) ``(x, y, w, h)`` each.

    A missing file, a file of an unknown sequence and a wrong number of rows are reported; lenient,
    missing rows are NaN and surplus rows are cut.

    Args:
        path: Folder or ``.zip``.
        sequences: Ground truth.
        problems: What happens to what does not fit.
        corners: The rows are ``x1, y1, x2, y2``.

    Returns:
        Runs by name; the only one is called "".

    Raises:
        InputError: A file is malformed or holds a number that is not finite.
    """
    tree = FileTree(path)
    known = {sequence.name: sequence for sequence in sequences}
    return {
        run: [_fitted(tree, files.get(name), known[name], problems, corners) for name in known]
        for run, files in find_runs(tree, known, problems).items()
    }


def find_runs(
    tree: FileTree, names: Collection[str], problems: InputFaults
) -> dict[str, dict[str, str]]:
    """The files of results: by run, in order, the file of each sequence that has one.

    Args:
        tree: Folder or archive.
        names: Of the sequences.
        problems: What happens to a file of an unknown sequence.

    Returns:
        Runs by name; the only one is called "".

    Raises:
        InputError: Two files of a run are of one sequence.
    """
    runs: dict[str, dict[str, str]] = {}
    for file in tree.names(".txt"):
        owner = _owner(file, names)
        if owner is None:
            problems.report(tree.path, file, "the ground truth has no such sequence")
        elif owner[0]:
            name, run = owner
            own = runs.setdefault(run, {})
            if name in own:
                raise InputError(f"{tree.path}: '{own[name]}' and '{file}' are of one sequence.")
            own[name] = file
    if len(runs) < 2:
        return {"": next(iter(runs.values()), {})}
    return {run: runs[run] for run in sorted(runs)}


def write_predictions(
    folder: str | Path,
    name: str,
    bboxes: NDArray[np.floating],
    times: NDArray[np.floating] | None = None,
    presence: NDArray[np.floating] | None = None,
    whole: bool = True,
) -> None:
    """Write the result of one sequence into the folder of a run.

    Args:
        folder: Of the run.
        name: Of the sequence.
        bboxes: (T, 4) ``(x, y, w, h)``.
        times: (T,) seconds that the frames took.
        presence: (T,) how sure the tracker is that the target is there.
        whole: Cut the numbers to whole ones, between tabs, as published results are; else keep
            them, between commas.

    Raises:
        WriteError: The folder cannot be written to.
    """
    rows = np.trunc(bboxes) if whole else bboxes
    text = _rows(rows, "%d", "\t") if whole else _rows(rows, "%f", ",")
    beside = {TIMES: times, PRESENCE: presence}
    for ending, column in {"": text, **beside}.items():
        if column is not None:
            with atomic_write(Path(folder) / f"{name}{ending}.txt") as file:
                file.write(column if isinstance(column, str) else _rows(column[:, None], "%f", ","))


def write_got10k(
    folder: str | Path,
    name: str,
    runs: Sequence[NDArray[np.floating]],
    times: Sequence[NDArray[np.floating]],
) -> None:
    """Write a sequence as the server of GOT-10k takes it: one file for each run, and the times.

    Args:
        folder: Of the tracker.
        name: Of the sequence.
        runs: (T, 4) ``(x, y, w, h)`` each; the server asks for three.
        times: (T,) seconds each.

    Raises:
        WriteError: The folder cannot be written to.
    """
    place = Path(folder) / name
    for number, bboxes in enumerate(runs, 1):
        with atomic_write(place / f"{name}_{number:03d}.txt") as file:
            file.write(_rows(bboxes, "%f", ","))
    with atomic_write(place / f"{name}{TIMES}.txt") as file:
        file.write(_rows(np.stack(list(times), axis=1), "%f", ","))


def write_trackingnet(path: str | Path, results: Mapping[str, NDArray[np.floating]]) -> None:
    """Write the archive that the server of TrackingNet takes.

    Args:
        path: The ``.zip``.
        results: (T, 4) ``(x, y, w, h)`` by sequence.

    Raises:
        WriteError: It cannot be written.
    """
    texts = {f"{name}.txt": _rows(results[name], "%.2f", ",") for name in sorted(results)}
    pack_texts(path, texts)


def _owner(file: str, known: Collection[str]) -> tuple[str, str] | None:
    """Sequence and run of a file; no sequence where it is no file of boxes."""
    place = PurePosixPath(file)
    stem, folder = place.stem, place.parent.name
    for ending in _BESIDE:
        if stem.removesuffix(ending) != stem and stem.removesuffix(ending) in {*known, folder}:
            return "", ""
    if stem in known:
        return stem, "" if folder == stem else str(place.parent)
    numbered = _RUN.fullmatch(stem)
    if numbered and numbered[1] in known:
        return numbered[1], numbered[2]
    return (folder, "") if folder in known else None


def _fitted(
    tree: FileTree,
    file: str | None,
    sequence: SotSequence,
    problems: InputFaults,
    corners: bool,
) -> NDArray[np.float64]:
    frames = len(sequence.bboxes)
    fitted = np.full((frames, 4), np.nan)
    if file is None:
        problems.report(tree.path, f"{sequence.name}.txt", "the predictions are missing")
        return fitted
    rows = read_boxes(tree, file, only_boxes=True)
    if not np.isfinite(rows).all():
        line = int(np.argmin(np.isfinite(rows).all(axis=1))) + 1
        raise InputError(f"{tree.path}/{file}, line {line}: a number is not finite.")
    if len(rows) != frames:
        reason = f"{len(rows)} rows for {frames} frames; expected one per frame"
        problems.report(f"{tree.path}/{file}", sequence.name, reason)
    fitted[: len(rows)] = rows[:frames]
    if corners:
        fitted[:, 2:] -= fitted[:, :2]
    if (fitted[:, 2:] < 0).any():
        line = int(np.argmax((fitted[:, 2:] < 0).any(axis=1))) + 1
        raise InputError(f"{tree.path}/{file}, line {line}: a box has a negative size.")
    return fitted


def _rows(values: NDArray[np.floating], form: str, between: str) -> str:
    return "".join(between.join(form % v for v in row) + "\n" for row in values.tolist())
