"""Training samples of TAP-Vid-Kubric as point trackers read them.

``<sample>/frames/000.png`` and so on, and ``<sample>/<sample>.npy``: a pickled dict with
``coords``, (N, T, 2) float32 ``(x, y)`` in pixels, and ``visibility``, (N, T) bool, which in spite
of its name is True where a point is *hidden*.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import open_binary
from vovtrack.files.array_pickle import (
    DAMAGES,
    pickled_part,
    read_array_pickle,
    write_pickled,
)
from vovtrack.files.images import IMAGE_SUFFIXES

FRAMES = "frames"


def sample_file(points: NDArray[np.float64], occluded: NDArray[np.bool_]) -> bytes:
    """The ``.npy`` file of one sample.

    Args:
        points: (N, T, 2) ``(x, y)`` in pixels.
        occluded: (N, T).
    """
    content = {"coords": points.astype(np.float32), "visibility": occluded}
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    write_pickled(file, pickled_part(np.array(content, dtype=object)))
    return file.getvalue()


def list_samples(root: str | Path) -> list[Path]:
    """The folders of all samples, by name.

    Raises:
        InputError: There is no such folder, or none in it is a sample.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"The folder of samples '{root}' does not exist.")
    found = sorted(path.parent for path in root.glob(f"*/{FRAMES}") if path.is_dir())
    if not found:
        raise InputError(
            f"'{root}' holds no sample: each must be a folder with its pictures in '{FRAMES}' and "
            "its points in a file '<name of the folder>.npy'."
        )
    return found


def list_frames(sample: str | Path) -> list[Path]:
    """The pictures of a sample, by name."""
    paths = (Path(sample) / FRAMES).iterdir()
    return sorted(path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES)


def read_points(sample: str | Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read the points of a sample, without letting the pickle in it run anything.

    Returns:
        points: (N, T, 2) ``(x, y)`` in pixels.
        occluded: (N, T).

    Raises:
        InputError: The file is missing, damaged, or holds something else.
    """
    path = Path(sample) / f"{Path(sample).name}.npy"
    with open_binary(path) as file:
        _skip_header(file, path)
        content = read_array_pickle(file, path)
    points, occluded = (_array(content, key, path) for key in ("coords", "visibility"))
    if points.ndim != 3 or points.shape != (*occluded.shape, 2):
        raise InputError(
            f"{path}: 'coords' {points.shape} must be (N, T, 2) and 'visibility' "
            f"{occluded.shape} (N, T)."
        )
    occluded = occluded.astype(bool)
    if not np.isfinite(points[~occluded]).all():
        raise InputError(f"{path}: a visible point is not finite.")
    # Where a point is hidden its place is never asked for.
    return np.nan_to_num(points.astype(np.float32)), occluded


def _skip_header(file: BinaryIO, path: Path) -> None:
    """Read what stands before the pickle in a ``.npy`` file."""
    try:
        version = np.lib.format.read_magic(file)
        read = getattr(np.lib.format, f"read_array_header_{version[0]}_{version[1]}")
        *_, dtype = read(file)
    except DAMAGES as error:
        raise InputError(f"{path}: damaged, or not an .npy file ({error}).") from None
    if dtype.kind != "O":
        raise InputError(f"{path}: holds an array of {dtype}, not a dict of arrays.")


def _array(content: Any, key: str, path: Path) -> NDArray[Any]:
    array = content.get(key) if isinstance(content, dict) else None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise InputError(f"{path}: holds no array '{key}' of numbers.")
    return array
