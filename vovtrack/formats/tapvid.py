"""TAP-Vid points: the official pickles, and ``.npz`` files that need no pickle.

An ``.npz`` file holds arrays named ``<video>/<array>``; a folder holds one ``<video>.npz`` per
video with the arrays by their own names. Ground truth: ``points`` (N, T, 2), ``(x, y)`` from 0 to 1
of the frame, and ``occluded`` (N, T). Predictions, one row per query: ``tracks`` (n, T, 2),
``(x, y)`` in pixels of a 256 x 256 raster or of ``size`` (width, height), and ``occluded`` (n, T).

Official pickles are read without letting them run anything: of all that a pickle can name, only
numpy arrays are understood, and those are rebuilt from their bytes.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vovtrack.errors import InputError
from vovtrack.formats.opening import FileTree, open_binary

_DAMAGES = (
    pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, ValueError, TypeError,
    OverflowError, RecursionError, UnicodeDecodeError, MemoryError, struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class PointTruth:
    """Ground truth of one video.

    Attributes:
        points: (N, T, 2) float64 ``(x, y)`` from 0 to 1.
        occluded: (N, T) bool.
    """

    points: np.ndarray
    occluded: np.ndarray


@dataclass(frozen=True)
class PointTracks:
    """Predictions for the queries of one video.

    Attributes:
        tracks: (n, T, 2) float64 ``(x, y)`` in pixels.
        occluded: (n, T) bool.
        size: (width, height) of the raster, or None for the default one.
    """

    tracks: np.ndarray
    occluded: np.ndarray
    size: tuple[float, float] | None


def read_truth(path: str | Path) -> dict[str, PointTruth]:
    """Read ground truth from ``.npz``, a folder of ``.npz``, or an official ``.pkl``.

    Returns:
        {video: ground truth}, by name.

    Raises:
        InputError: The file is damaged, lacks an array, holds one of the wrong shape or with
            numbers that are not finite, or is a pickle of anything but arrays.
    """
    videos = {}
    for name, arrays in sorted(_read(path).items()):
        place = f"{path}: video '{name}'"
        points = _array(arrays, "points", place, 3)
        occluded = _array(arrays, "occluded", place, 2)
        if points.shape != (*occluded.shape, 2):
            raise InputError(
                f"{place}: 'points' {points.shape} must be (N, T, 2) and 'occluded' "
                f"{occluded.shape} (N, T)."
            )
        occluded = occluded.astype(bool)
        if not np.isfinite(points[~occluded]).all():
            raise InputError(f"{place}: a visible point is not finite.")
        # Where a point is hidden its place is never asked for.
        videos[name] = PointTruth(np.nan_to_num(points.astype(np.float64)), occluded)
    if not videos:
        raise InputError(f"{path}: holds no video.")
    return videos


def read_tracks(path: str | Path) -> dict[str, PointTracks]:
    """Read predictions from ``.npz`` or a folder of ``.npz``.

    Raises:
        InputError: See :func:`read_truth`.
    """
    videos = {}
    for name, arrays in sorted(_read(path).items()):
        place = f"{path}: video '{name}'"
        tracks = _array(arrays, "tracks", place, 3).astype(np.float64)
        occluded = _array(arrays, "occluded", place, 2).astype(bool)
        if tracks.shape != (*occluded.shape, 2):
            raise InputError(
                f"{place}: 'tracks' {tracks.shape} must be (n, T, 2) and 'occluded' "
                f"{occluded.shape} (n, T)."
            )
        if not np.isfinite(tracks).all():
            raise InputError(f"{place}: 'tracks' holds a number that is not finite.")
        videos[name] = PointTracks(tracks, occluded, _size(arrays, place))
    return videos


def _size(arrays: Mapping[str, Any], place: str) -> tuple[float, float] | None:
    if "size" not in arrays:
        return None
    size = _array(arrays, "size", place, 1)
    if size.shape != (2,) or not (size > 0).all() or not np.isfinite(size).all():
        raise InputError(f"{place}: 'size' must be (width, height), not {size.tolist()}.")
    return float(size[0]), float(size[1])


def _array(arrays: Mapping[str, Any], key: str, place: str, ndim: int) -> np.ndarray:
    if not isinstance(arrays, Mapping) or key not in arrays:
        raise InputError(f"{place} has no '{key}'.")
    array = arrays[key]
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.ndim != ndim:
        raise InputError(f"{place}: '{key}' must be an array of numbers with {ndim} axes.")
    return array


def _read(path: str | Path) -> dict[str, Mapping[str, Any]]:
    path = Path(path)
    if path.is_dir():
        tree = FileTree(path)
        found = {}
        for name in tree.names(".npz"):
            with tree.open(name) as file:
                found[name.removesuffix(".npz")] = _load_npz(file, path / name)
        if not found:
            raise InputError(f"{path}: found no .npz file in it.")
        return found
    with open_binary(path) as file:
        if path.suffix in (".pkl", ".pickle"):
            return _unpickle(file, path)
        grouped: dict[str, dict[str, Any]] = {}
        for key, array in _load_npz(file, path).items():
            video, slash, name = key.rpartition("/")
            if not slash:
                raise InputError(f"{path}: array '{key}' must be named <video>/{key}.")
            grouped.setdefault(video, {})[name] = array
        return grouped


def _load_npz(file: BinaryIO, path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as content:
            if isinstance(content, np.ndarray):
                raise InputError(f"{path}: expected .npz, not a single array.")
            return {key: content[key] for key in content.files}
    except (*_DAMAGES, zipfile.BadZipFile, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged, or not an .npz file ({error}).") from None


class _RawArray:
    """The state of a pickled numpy array, taken as data."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        self.fill(data, dtype, shape, "F" if fortran else "C")

    def fill(self, data: bytes, dtype: _RawDType, shape: tuple, order: str) -> None:
        """Rebuild the array from its bytes."""
        kind = np.dtype(dtype.name).newbyteorder(dtype.order)
        if kind.kind not in "biufSU" or not isinstance(data, (bytes, bytearray)):
            raise pickle.UnpicklingError(f"an array of {kind}")
        self.array = np.frombuffer(bytes(data), kind).reshape(shape, order=order)


class _RawDType:
    """The name of a pickled numpy dtype."""

    def __init__(self, name: str = "", *_: Any) -> None:
        self.name, self.order = str(name), "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1] if state[1] in "<>=" else "="


def _new_array(*_: Any) -> _RawArray:
    return _RawArray()


def _from_buffer(data: bytes, dtype: _RawDType, shape: tuple, order: str) -> _RawArray:
    """How new pickles store arrays."""
    raw = _RawArray()
    raw.fill(data, dtype, shape, order)
    return raw


def _encode(text: str, encoding: str) -> bytes:
    """How old pickles store bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"_codecs.encode to {encoding}")
    return text.encode(encoding)


# The Python unpickler keeps its memo in a dict: a file cannot make it allocate by number alone.
class _ArraysOnly(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return _RawDType
        if (module, name) == ("numpy", "ndarray"):
            return _RawArray
        if (module, name) == ("_codecs", "encode"):
            return _encode
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _new_array
        if name == "_frombuffer" and module in ("numpy.core.numeric", "numpy._core.numeric"):
            return _from_buffer
        raise pickle.UnpicklingError(f"it wants to run '{module}.{name}'")


def _unpickle(file: BinaryIO, path: Path) -> dict[str, Mapping[str, Any]]:
    try:
        content = _plain(_ArraysOnly(file, encoding="latin1").load())
    except _DAMAGES as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: refused or damaged; a TAP-Vid pickle holds arrays only ({error})."
        ) from None
    if isinstance(content, list):
        content = {f"{number:05d}": video for number, video in enumerate(content)}
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a dict or a list of videos.")
    return {str(name): video for name, video in content.items()}


def _plain(value: Any) -> Any:
    """Replace raw arrays by arrays; videos, which are large, are left out."""
    if isinstance(value, _RawArray):
        return value.array
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "video"}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
