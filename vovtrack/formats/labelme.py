"""Points that were clicked with labelme, from version 4 on: a JSON file beside its image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.files.atomic import atomic_write
from vovtrack.formats.checks import is_number

VERSION = "5.4.1"
"""Of the format that is written."""


class LabelledPoints(NamedTuple):
    """Points of one image.

    Attributes:
        names: What each was called; several may have one name.
        points: (N, 2) float32 (x, y), pixels of the image.
    """

    names: tuple[str, ...]
    points: NDArray[np.float32]


def read_points(path: str | Path, width: int, height: int) -> LabelledPoints:
    """Read the points of an annotated image, in the order of the file.

    Of a shape of kind ``point`` the first place counts; other shapes, and shapes without a place,
    are left out.

    Args:
        path: The file.
        width: Of the image in pixels.
        height: Of the image in pixels.

    Raises:
        InputError: Not a file of labelme, made for an image of another size, without points, or a
            point that is not in the image.
    """
    content = read_json(path)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise InputError(f"{path}: not a file of labelme: it has no list of 'shapes'.")
    size = content.get("imageWidth"), content.get("imageHeight")
    if None not in size and size != (width, height):
        raise InputError(f"{path}: made for an image of {size[0]}x{size[1]}, not {width}x{height}.")
    found = [s for s in shapes if s.get("shape_type") == "point" and s.get("points")]
    if not found:
        kinds = Counter(str(shape.get("shape_type"))[:20] for shape in shapes).most_common(5)
        others = ", ".join(f"{count} {kind}" for kind, count in kinds) or "no shapes"
        raise InputError(
            f"{path}: holds no points but {others}. Use 'Create Point' of labelme, once for each "
            "point."
        )
    rows = [_place(shape["points"], f"{path}: point {k}") for k, shape in enumerate(found)]
    points = np.array(rows)
    outside = ~((points >= 0) & (points < (width, height))).all(axis=1)
    if outside.any():
        k = int(np.argmax(outside))
        x, y = points[k]
        raise InputError(
            f"{path}: point {k} at {x:g}, {y:g} is outside of the image of {width}x{height}."
        )
    names = tuple(str(shape.get("label", "")) for shape in found)
    return LabelledPoints(names, points.astype(np.float32))


def write_points(
    path: str | Path,
    image: str,
    width: int,
    height: int,
    names: Sequence[str],
    points: NDArray[np.floating],
) -> None:
    """Write points so that labelme opens them.

    Args:
        path: The file, beside its image.
        image: Name of the image.
        width: Of the image in pixels.
        height: Of the image in pixels.
        names: What each point is called.
        points: (N, 2) (x, y), pixels of the image.
    """
    shapes: list[dict[str, Any]] = [
        dict(label=name, points=[list(place)], group_id=None, shape_type="point", flags={})
        for name, place in zip(names, points.tolist(), strict=True)
    ]
    content: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    with atomic_write(path) as file:
        json.dump(content, file, indent=2)


def _place(points: object, where: str) -> tuple[float, float]:
    """The first place of a shape."""
    first = points[0] if isinstance(points, list) else None
    if not (isinstance(first, list) and len(first) == 2 and all(map(is_number, first))):
        raise InputError(f"{where}: 'points' must begin with [x, y], two numbers.")
    return float(first[0]), float(first[1])
