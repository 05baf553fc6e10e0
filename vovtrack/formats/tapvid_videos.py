"""The videos of TAP-Vid's published files, read one at a time.

``tapvid_davis.pkl`` and ``robotap/robotap_split*.pkl`` hold ``{name: video}``,
``tapvid_rgb_stacking.pkl`` and ``tapvid_kinetics/*_of_0010.pkl`` hold lists. A video is ``video``,
(T, H, W, 3) uint8 RGB or a list of T JPEG files, ``points`` (N, T, 2) from 0 to 1 of the frame, and
``occluded`` (N, T). A folder is its files in the order of their names.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vovtrack.errors import InputError
from vovtrack.files.archives import open_binary
from vovtrack.files.array_pickle import read_array_pickle
from vovtrack.files.images import check_size
from vovtrack.files.stored_values import StoredArray, StoredBytes
from vovtrack.structures import PointTruth

SUFFIXES = (".pkl", ".pickle")


@dataclass(frozen=True)
class PointVideo:
    """A video with its points; what it holds is in memory only while it is read.

    Attributes:
        name: Its name; in a folder ``<file>/<name>``.
        place: Where it stands, for messages.
        content: The video as the file has it, large arrays as ``StoredArray``.
    """

    name: str
    place: str
    content: Mapping[str, Any]

    def truth(self) -> PointTruth:
        """The ground truth.

        Raises:
            InputError: An array is missing, of the wrong shape, or has a visible point that is not
                finite.
        """
        return truth_of(self.content, self.place)

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """The frames, (H, W, 3) uint8 RGB, all of one size.

        Raises:
            InputError: There are none, one is damaged, or they do not fit the points.
        """
        expected, count = self.num_frames, 0
        video = self.content.get("video")
        for frame in self._pictures(video) if isinstance(video, list) else self._pixels(video):
            count += 1
            yield frame
        if count != expected:
            raise InputError(f"{self.place}: {count} frames, and points of {expected}.")

    @property
    def num_frames(self) -> int:
        """How many frames have points.

        Raises:
            InputError: No array says.
        """
        occluded = array_of(self.content, "occluded", self.place, 2)
        return int(occluded.shape[1])

    def _pixels(self, video: Any) -> Iterator[NDArray[np.uint8]]:
        if isinstance(video, StoredArray):
            video = video.read()
        if (
            not isinstance(video, np.ndarray)
            or video.dtype != np.uint8
            or video.ndim != 4
            or video.shape[3] != 3
            or not video.size
        ):
            raise InputError(
                f"{self.place}: 'video' must be a uint8 array (T, H, W, 3) or a list of JPEG files."
            )
        yield from video

    def _pictures(self, video: list[Any]) -> Iterator[NDArray[np.uint8]]:
        size = None
        for number, data in enumerate(video):
            place = f"{self.place}, frame {number}"
            frame = _decode(data.read() if isinstance(data, StoredBytes) else data, place)
            if frame.shape != (size := size or frame.shape):
                raise InputError(f"{place}: is of size {frame.shape[1::-1]}, not {size[1::-1]}.")
            yield frame


def open_videos(path: str | Path) -> list[PointVideo]:
    """Find the videos of a file by their names, or of all files of a folder as they stand there.

    Memory does not grow with the size of the files but by what is read of the videos.

    Raises:
        InputError: There is none, or a file is damaged or a pickle of anything but arrays.
    """
    path = Path(path)
    if not path.is_dir():
        return sorted(_open_file(path, ""), key=lambda video: video.name)
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise InputError(f"{path}: found no .pkl file in it.")
    return [video for file in files for video in _open_file(file, f"{file.stem}/")]


def resized(frame: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A frame in another size, by Lanczos interpolation of 8-bit pixels.

    TAP-Vid's evaluators bring every video to 256 x 256 pixels so, by the same library.

    Args:
        frame: (H, W, 3) uint8.
        width: Of the result in pixels.
        height: Of the result in pixels.
    """
    if frame.shape[:2] == (height, width):
        return frame
    image = Image.fromarray(np.ascontiguousarray(frame))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def truth_of(arrays: Mapping[str, Any], place: str) -> PointTruth:
    """Check ``points`` and ``occluded`` of a video.

    Raises:
        InputError: See :meth:`PointVideo.truth`.
    """
    points = array_of(arrays, "points", place, 3)
    occluded = array_of(arrays, "occluded", place, 2)
    if points.shape != (*occluded.shape, 2):
        raise InputError(
            f"{place}: 'points' {points.shape} must be (N, T, 2) and 'occluded' "
            f"{occluded.shape} (N, T)."
        )
    occluded = occluded.astype(bool)
    if not np.isfinite(points[~occluded]).all():
        raise InputError(f"{place}: a visible point is not finite.")
    # Where a point is hidden its place is never asked for.
    return PointTruth(np.nan_to_num(points.astype(np.float64)), occluded)


def array_of(arrays: Mapping[str, Any], key: str, place: str, ndim: int) -> NDArray[Any]:
    """An array of numbers by its name.

    Raises:
        InputError: It is missing, of another kind, or has another number of axes.
    """
    if not isinstance(arrays, Mapping) or key not in arrays:
        raise InputError(f"{place} has no '{key}'.")
    array = arrays[key]
    known = isinstance(array, np.ndarray | StoredArray)
    if not known or array.dtype.kind not in "biuf" or array.ndim != ndim:
        raise InputError(f"{place}: '{key}' must be an array of numbers with {ndim} axes.")
    return array.read() if isinstance(array, StoredArray) else array


def _open_file(path: Path, prefix: str) -> list[PointVideo]:
    with open_binary(path) as file:
        content = read_array_pickle(file, path, stored=True)
    if isinstance(content, list):
        content = {f"{number:05d}": video for number, video in enumerate(content)}
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: expected a dict or a list of videos.")
    named = {str(name): video for name, video in content.items()}
    return [
        PointVideo(f"{prefix}{name}", f"{path}: video '{name}'", video)
        for name, video in named.items()
    ]


def _decode(data: Any, place: str) -> NDArray[np.uint8]:
    if not isinstance(data, bytes):
        raise InputError(f"{place}: is not the bytes of a picture.")
    check_size(data, place)
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{place}: the picture is damaged ({error}).") from None
