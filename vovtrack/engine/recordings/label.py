"""Points on the first frames: which there are, and putting the same ones on many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vovtrack.engine.recordings.batch import NOTE, Place, cameras_of
from vovtrack.errors import InputError
from vovtrack.files.images import read_image
from vovtrack.formats.labelme import LabelledPoints, read_points, write_points

Chosen = Callable[[int, int], LabelledPoints]
"""Points for a frame of some width and height, in pixels."""


@dataclass(frozen=True)
class Labelled:
    """The points of one first frame.

    Attributes:
        image: The picture.
        names: Of its points; empty where it has none yet.
        is_new: Whether they were written now.
    """

    image: Path
    names: tuple[str, ...]
    is_new: bool


def label_images(
    work: str | Path, chosen: Chosen | None = None, camera: str | None = None
) -> list[Labelled]:
    """Look at the first frames of a work folder, and give points to those that have none.

    Labels that are there are never changed.

    Args:
        work: Folder that ``extract_recordings`` wrote.
        chosen: Points for images without any; None leaves them.
        camera: Only of this camera.

    Raises:
        InputError: No first frames, or labels that cannot be used; see
            :func:`vovtrack.formats.labelme.read_points`.
    """
    found = []
    for note in sorted(Path(work).rglob(NOTE)):
        place = Place("", Path(), note.parent)
        for name in cameras_of(place):
            if camera in (None, name):
                found.append(_labelled(place, name, chosen))
    if not found:
        which = f"of camera '{camera}' " if camera else ""
        raise InputError(
            f"'{work}' has no first frames {which}to label: make them with 'vovtrack robot "
            "extract'."
        )
    return found


def _labelled(place: Place, camera: str, chosen: Chosen | None) -> Labelled:
    image, path = place.image(camera), place.labels(camera)
    height, width = read_image(image).shape[:2]
    if path.is_file():
        return Labelled(image, read_points(path, width, height).names, False)
    if chosen is None:
        return Labelled(image, (), False)
    names, points = chosen(width, height)
    write_points(path, image.name, width, height, names, points)
    return Labelled(image, names, True)


def named_points(texts: list[str]) -> Chosen:
    """Points that are given as ``NAME=X,Y`` or ``X,Y``.

    Raises:
        InputError: Another text, here; a point outside of an image, when it is asked for.
    """
    names, rows = [], []
    for number, text in enumerate(texts):
        name, _, place = text.rpartition("=")
        try:
            x, y = map(float, place.split(","))
        except ValueError:
            raise InputError(f"--points is '{text}', expected NAME=X,Y or X,Y.") from None
        names.append(name or str(number))
        rows.append((x, y))
    points = np.array(rows)

    def choose(width: int, height: int) -> LabelledPoints:
        outside = ~((points >= 0) & (points < (width, height))).all(axis=1)
        if outside.any():
            text = texts[int(np.argmax(outside))]
            raise InputError(f"--points {text} is outside of an image of {width}x{height} pixels.")
        return LabelledPoints(tuple(names), points.astype(np.float32))

    return choose


def grid_points(count: int) -> Chosen:
    """A grid of ``count`` x ``count`` points, in the middles of equal cells, row by row.

    Raises:
        InputError: Less than one, or more than a thousand a side.
    """
    if not 1 <= count <= 1000:
        raise InputError(f"--grid is {count}, expected 1 to 1000 points a side.")

    def choose(width: int, height: int) -> LabelledPoints:
        middles = (np.arange(count) + 0.5) / count
        y, x = np.meshgrid(middles * height, middles * width, indexing="ij")
        points = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)
        return LabelledPoints(tuple(map(str, range(len(points)))), points)

    return choose


def points_of(path: Path) -> Chosen:
    """The points of another image's file of labelme, at the same pixels."""
    return lambda width, height: read_points(path, width, height)
