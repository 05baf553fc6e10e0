"""TAP-Vid points: the official pickles, and ``.npz`` files that need no pickle.

An ``.npz`` file holds arrays named ``<video>/<array>``; a folder holds one ``<video>.npz`` per
video with the arrays by their own names. Ground truth: ``points`` (N, T, 2), ``(x, y)`` from 0 to 1
of the frame, and ``occluded`` (N, T). Predictions, one row per query: ``tracks`` (n, T, 2),
``(x, y)`` in pixels of a 256 x 256 raster or of ``size`` (width, height), and ``occluded`` (n, T).

Official pickles, see :mod:`vovtrack.formats.tapvid_videos`, are read without letting them run
anything: of all that a pickle can name, only numpy arrays are understood, and those are rebuilt
from their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree, open_binary, read_npz
from vovtrack.files.array_pickle import (
    DAMAGES,
    pickled_dict,
    pickled_part,
    write_pickled_bytes_array,
    write_pickled_dict,
)
from vovtrack.files.atomic import atomic_write
from vovtrack.files.packing import write_npz
from vovtrack.formats.tapvid_videos import SUFFIXES, array_of, open_videos, truth_of
from vovtrack.structures import PointTracks, PointTruth


def read_truth(path: str | Path) -> dict[str, PointTruth]:
    """Read ground truth from ``.npz``, a folder of ``.npz``, or official pickles.

    Args:
        path: The file; or a folder of ``.npz``, or else of pickles, see
            :mod:`vovtrack.formats.tapvid_videos`.

    Returns:
        {video: ground truth}, by name.

    Raises:
        InputError: The file is damaged, lacks an array, holds one of the wrong shape or with
            numbers that are not finite, or is a pickle of anything but arrays.
    """
    path = Path(path)
    if path.suffix in SUFFIXES or (path.is_dir() and not FileTree(path).names(".npz")):
        return {video.name: video.truth() for video in open_videos(path)}
    videos = {
        name: truth_of(arrays, f"{path}: video '{name}'")
        for name, arrays in sorted(_read(path).items())
    }
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
        tracks = array_of(arrays, "tracks", place, 3).astype(np.float64)
        occluded = array_of(arrays, "occluded", place, 2).astype(bool)
        if tracks.shape != (*occluded.shape, 2):
            raise InputError(
                f"{place}: 'tracks' {tracks.shape} must be (n, T, 2) and 'occluded' "
                f"{occluded.shape} (n, T)."
            )
        if not np.isfinite(tracks).all():
            raise InputError(f"{place}: 'tracks' holds a number that is not finite.")
        videos[name] = PointTracks(tracks, occluded, _size(arrays, place))
    return videos


def write_tracks(path: str | Path, tracks: PointTracks) -> None:
    """Write the predictions of one video as ``<video>.npz``, for :func:`read_tracks`."""
    size = {} if tracks.size is None else {"size": np.array(tracks.size)}
    write_npz(path, {"tracks": tracks.tracks, "occluded": tracks.occluded, **size})


def video_part(
    name: str,
    video: NDArray[np.uint8],
    points: NDArray[np.floating],
    occluded: NDArray[np.bool_],
) -> bytes:
    """Pack one video for :func:`write_truth`.

    Args:
        name: Its name.
        video: (T, H, W, 3) RGB.
        points: (N, T, 2) ``(x, y)`` from 0 to 1.
        occluded: (N, T).
    """
    content = {"video": video, "points": points.astype(np.float32), "occluded": occluded}
    return pickled_part(name) + pickled_part(content)


def write_one_truth(
    file: IO[bytes],
    name: str,
    shape: tuple[int, ...],
    blocks: Iterable[bytes],
    points: NDArray[np.floating],
    occluded: NDArray[np.bool_],
) -> None:
    """Write a pickle of one video whose pixels are larger than the memory.

    Args:
        file: Open for writing.
        name: Of the video.
        shape: (T, H, W, 3) of its pixels.
        blocks: The pixels, uint8 RGB, frame by frame.
        points: (N, T, 2) ``(x, y)`` from 0 to 1.
        occluded: (N, T).
    """
    with pickled_dict(file):
        file.write(pickled_part(name))
        with pickled_dict(file, nested=True):
            file.write(pickled_part("video"))
            write_pickled_bytes_array(file, shape, blocks)
            for key, array in (("points", points.astype(np.float32)), ("occluded", occluded)):
                file.write(pickled_part(key) + pickled_part(array))


def write_truth(path: str | Path, parts: Iterable[bytes]) -> None:
    """Write a ``.pkl`` like that of TAP-Vid-DAVIS, one video in memory at a time.

    Args:
        path: The file.
        parts: A :func:`video_part` of each video.
    """
    with atomic_write(path, "wb") as file:
        write_pickled_dict(file, parts)


def _size(arrays: Mapping[str, Any], place: str) -> tuple[float, float] | None:
    if "size" not in arrays:
        return None
    size = array_of(arrays, "size", place, 1)
    if size.shape != (2,) or not (size > 0).all() or not np.isfinite(size).all():
        raise InputError(f"{place}: 'size' must be (width, height), not {size.tolist()}.")
    return float(size[0]), float(size[1])


def _read(path: str | Path) -> Mapping[str, Mapping[str, Any]]:
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
        grouped: dict[str, dict[str, Any]] = {}
        for key, array in _load_npz(file, path).items():
            video, slash, name = key.rpartition("/")
            if not slash:
                raise InputError(f"{path}: array '{key}' must be named <video>/{key}.")
            grouped.setdefault(video, {})[name] = array
        return grouped


def _load_npz(file: BinaryIO, path: Path) -> dict[str, NDArray[Any]]:
    try:
        return read_npz(file, path)
    except DAMAGES as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged, or not an .npz file ({error}).") from None
