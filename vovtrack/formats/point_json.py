"""Tracked points of one video as JSON, frame by frame.

``{"frames": [{"frame_index": 0, "points": [{"id": 0, "x": 1.5, "y": 2.0, "visible": true}]}]}``
is what Track-On's robot scripts write. Our files say more before the frames: ``names`` of the
points by id, ``width`` and ``height`` of the frames, and who made them. Frames and points may be
missing, and so may ``x`` or ``y``: there a point has no place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.files.atomic import atomic_write
from vovtrack.formats.checks import is_id, is_number

NOWHERE = (-1.0, -1.0, 0.0)
"""x, y and visible of a point that has no place."""
MAX_KEYPOINTS = 100_000_000
"""Points of all frames of one video."""


@dataclass(frozen=True)
class PointResults:
    """Tracked points: R rows, each a point in a frame.

    Attributes:
        path: The file.
        num_frames: Largest frame index + 1.
        ids: Of the N points, ascending.
        names: Of the N points; where the file has none, their ids.
        frames: (R,) int64.
        columns: (R,) int64, positions in ``ids``.
        places: (R, 3) float32: x and y in pixels, and 1 where visible.
        facts: What the file says besides.
    """

    path: Path
    num_frames: int
    ids: tuple[int, ...]
    names: tuple[str, ...]
    frames: NDArray[np.int64]
    columns: NDArray[np.int64]
    places: NDArray[np.float32]
    facts: Mapping[str, Any]

    def keypoints(self, num_frames: int) -> NDArray[np.float32]:
        """All points of the first frames.

        Args:
            num_frames: T; later frames are left out, frames that are not there have no places.

        Returns:
            (T, N, 3) float32 x, y, visible; ``NOWHERE`` where a point has no place.

        Raises:
            InputError: They are more than ``MAX_KEYPOINTS``.
        """
        check_count(num_frames, len(self.ids), self.path)
        found = np.tile(np.array(NOWHERE, np.float32), (num_frames, len(self.ids), 1))
        rows = self.frames < num_frames
        found[self.frames[rows], self.columns[rows]] = self.places[rows]
        return found


def check_count(num_frames: int, num_points: int, place: str | Path) -> None:
    """Refuse more points than memory is given for.

    Raises:
        InputError: All frames together have more than ``MAX_KEYPOINTS``.
    """
    if num_frames * num_points > MAX_KEYPOINTS:
        raise InputError(
            f"{place}: {num_points:,} points in {num_frames:,} frames are more than the "
            f"{MAX_KEYPOINTS:,} that are kept."
        )


def read_point_results(path: str | Path) -> PointResults:
    """Read a file, ours or one of the robot scripts.

    Raises:
        InputError: Another kind of file; a frame, or a point in a frame, that occurs twice; or
            values that are not numbers.
    """
    path = Path(path)
    content = read_json(path, allow_nan=True)
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list):
        raise InputError(f"{path}: not tracked points: it has no list of 'frames'.")
    rows: dict[tuple[int, int], tuple[float, float, float]] = {}
    ids: set[int] = set()
    indices: set[int] = set()
    for k, frame in enumerate(frames):
        index = frame.get("frame_index") if isinstance(frame, dict) else None
        points = frame.get("points") if isinstance(frame, dict) else None
        if not _is_index(index) or not isinstance(points, list):
            raise InputError(f"{path}: frame {k} needs a 'frame_index' from 0 on and 'points'.")
        if index in indices:
            raise InputError(f"{path}: frame_index {index} occurs twice.")
        indices.add(index)
        for point in points:
            number = point.get("id") if isinstance(point, dict) else None
            if not _is_index(number) or (index, number) in rows:
                raise InputError(
                    f"{path}: frame_index {index}: each point needs an 'id' of its own, from 0 on."
                )
            ids.add(number)
            rows[index, number] = _place(point, f"{path}: frame_index {index}, point {number}")
    ordered, names = _names(content.get("names"), ids, path)
    if not ordered:
        raise InputError(f"{path}: holds no points.")
    keys = np.array(list(rows), dtype=np.int64).reshape(-1, 2)
    facts = {key: value for key, value in content.items() if key not in ("frames", "names")}
    return PointResults(
        path=path,
        num_frames=max(indices, default=-1) + 1,
        ids=ordered,
        names=names,
        frames=keys[:, 0],
        columns=np.searchsorted(ordered, keys[:, 1]),
        places=np.array(list(rows.values()), dtype=np.float32).reshape(-1, 3),
        facts=facts,
    )


def write_point_results(
    path: str | Path,
    names: tuple[str, ...],
    keypoints: NDArray[np.float32],
    facts: Mapping[str, Any],
) -> None:
    """Write a file that :func:`read_point_results` reads, complete or not at all.

    Args:
        path: The file.
        names: Of the N points.
        keypoints: (T, N, 3) x, y, visible; points at ``NOWHERE`` are left out.
        facts: What the file says besides.

    Raises:
        WriteError: It cannot be written.
    """
    head = json.dumps({**facts, "names": names})
    with atomic_write(path) as file:
        file.write(head[:-1] + ', "frames": [')
        for index, values in enumerate(keypoints.tolist()):
            points = [
                dict(id=k, x=x, y=y, visible=bool(visible))
                for k, (x, y, visible) in enumerate(values)
                if (x, y, visible) != NOWHERE
            ]
            line = json.dumps(dict(frame_index=index, points=points))
            file.write(("\n" if index == 0 else ",\n") + line)
        file.write("\n]}\n")


def _is_index(value: Any) -> TypeGuard[int]:
    return is_id(value) and value >= 0


def _place(point: dict[str, Any], where: str) -> tuple[float, float, float]:
    x, y, visible = point.get("x"), point.get("y"), point.get("visible", False)
    if x is None or y is None:
        return NOWHERE
    numbers = all(is_number(v) or (type(v) is float and not math.isfinite(v)) for v in (x, y))
    if not numbers or type(visible) is not bool:
        raise InputError(f"{where}: 'x' and 'y' must be numbers and 'visible' true or false.")
    with np.errstate(over="ignore"):
        place = np.array([x, y], dtype=np.float64).astype(np.float32)
    if not np.isfinite(place).all():
        return NOWHERE
    return float(place[0]), float(place[1]), float(visible)


def _names(names: Any, ids: set[int], path: Path) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Ids and names of the points; a file that names them may lack some of them in all frames."""
    if names is None:
        ordered = sorted(ids)
        return tuple(ordered), tuple(map(str, ordered))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: 'names' must be a list of texts.")
    if ids and max(ids) >= len(names):
        raise InputError(f"{path}: has a point {max(ids)}, but {len(names)} 'names'.")
    return tuple(range(len(names))), tuple(names)
