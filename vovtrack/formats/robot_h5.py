"""Robot recordings in HDF5: camera frames in one of several layouts, and key points added to them.

| layout | where a frame is | cameras are called |
|---|---|---|
| steps | ``step_<i>/obs/image`` (1, cameras, 3, H, W), by the number ``i`` | ``camera_0``, ... |
| stacked | ``images/<camera>`` (T, H, W, 3) | as their dataset |

Pixels are RGB, uint8, or floats from 0 to 1. Key points stand in ``keypoints/<camera>``,
(T, N, 3) float32: x and y in pixels of the frame and 1 where the point is visible; (-1, -1, 0)
where it has no place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.hdf5 import (
    DAMAGES,
    Hdf5File,
    changed_copy,
    lies_elsewhere,
    need_h5py,
    unwritten,
)
from vovtrack.files.images import check_pixels
from vovtrack.files.targets import mark_input

KEYPOINTS = "keypoints"
"""The group that key points are added to."""
_STEP = re.compile(r"step_([0-9]{1,18})")
_IMAGE = "obs/image"
_ROUNDING = 1e-3
"""By which floats may leave the range from 0 to 1."""
_LISTED = 6


class Camera(NamedTuple):
    """Frames of one camera.

    Attributes:
        name: Its name.
        num_frames: T.
        width: Of a frame in pixels.
        height: Of a frame in pixels.
        frame: Reads one by its number, (H, W, 3) uint8 RGB.
    """

    name: str
    num_frames: int
    width: int
    height: int
    frame: Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True)
class Recording:
    """An open recording; frames are read one by one.

    Attributes:
        path: The file.
        layout: ``steps`` or ``stacked``.
        cameras: By name.
        fps: Frames per second, as the attribute ``fps`` of the file says; None without one.
    """

    path: Path
    layout: str
    cameras: Mapping[str, Camera]
    fps: float | None

    def camera(self, name: str | None) -> Camera:
        """A camera by name; None for the only one.

        Raises:
            InputError: There is none of that name, or none is named and there are several.
        """
        names = ", ".join(self.cameras)
        if name is None and len(self.cameras) > 1:
            raise InputError(f"'{self.path}' has several cameras: name one (--camera), {names}.")
        if name is None:
            return next(iter(self.cameras.values()))
        if name not in self.cameras:
            raise InputError(f"'{self.path}' has no camera '{name}', but {names}.")
        return self.cameras[name]


@contextmanager
def open_recording(path: str | Path) -> Iterator[Recording]:
    """Open a recording and find its layout.

    Args:
        path: The HDF5 file.

    Raises:
        InputError: No HDF5 file, cut short, of no known layout, steps that are missing, or frames
            of another shape or type; while frames are read: one that is missing or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no recording '{path}'.")
    mark_input(path, "a recording")
    with Hdf5File(path) as file:
        for name, find in LAYOUTS.items():
            cameras = find(file)
            if cameras:
                found = {camera.name: camera for camera in cameras}
                yield Recording(path, name, found, _rate(file))
                return
        raise InputError(
            f"'{path}' holds no frames in a known layout: expected step_<i>/{_IMAGE} (1, cameras, "
            f"3, H, W) or images/<camera> (T, H, W, 3). {_contents(file)}"
        )


def add_keypoints(
    recording: str | Path,
    path: str | Path,
    keypoints: Mapping[str, NDArray[np.float32]],
    facts: Mapping[str, Mapping[str, Any]],
) -> None:
    """Copy a recording and add key points to the copy; those of the same cameras are replaced.

    Args:
        recording: The file, which is only read.
        path: The copy, complete or absent.
        keypoints: (T, N, 3) float32 of each camera, as the module says.
        facts: Attributes of each camera's dataset: texts, numbers, and lists of them.

    Raises:
        InputError: ``keypoints`` of the file is not a group of its own, or see
            :func:`vovtrack.files.hdf5.changed_copy`.
        WriteError: The disk is full.
    """
    h5py = need_h5py(f"Writing '{path}'")
    with Hdf5File(recording) as source:
        group = source.find(KEYPOINTS)
        if group is not None and not isinstance(group, h5py.Group):
            raise source.refusal(KEYPOINTS, "is not a group: key points cannot be added to it")
    text = h5py.string_dtype()
    with changed_copy(recording, path) as copy:
        group = copy.require_group(KEYPOINTS)
        for camera, values in keypoints.items():
            if camera in group:
                del group[camera]
            data = group.create_dataset(camera, data=np.asarray(values, np.float32))
            for name, value in facts.get(camera, {}).items():
                are_texts = isinstance(value, list) and any(isinstance(v, str) for v in value)
                data.attrs[name] = np.array(value, dtype=text) if are_texts else value


def read_keypoints(path: str | Path) -> dict[str, tuple[NDArray[np.float32], dict[str, Any]]]:
    """Key points and their attributes by camera; empty if the file has none.

    Raises:
        InputError: Not a readable HDF5 file, or key points of another shape.
    """
    found = {}
    with Hdf5File(path) as file:
        for camera in sorted(file.names(KEYPOINTS)):
            key = f"{KEYPOINTS}/{camera}"
            data = file.find(key)
            shape = getattr(data, "shape", None)
            if shape is None or len(shape) != 3 or shape[2] != 3 or data.dtype != np.float32:
                raise file.refusal(key, f"is {_described(data)}, expected (T, N, 3) float32")
            if problem := lies_elsewhere(data) or unwritten(data):
                raise file.refusal(key, problem)
            try:
                found[camera] = np.asarray(data[()]), dict(data.attrs)
            except DAMAGES as error:
                raise file.unreadable(key, error) from None
    return found


def _steps(file: Hdf5File) -> list[Camera]:
    """Cameras of the layout of steps; none if the file has no step."""
    numbered: dict[int, str] = {}
    for name in file.names():
        if match := _STEP.fullmatch(name):
            other = numbered.setdefault(int(match[1]), name)
            if other != name:
                raise InputError(f"'{file.path}' has two groups of one number: {other}, {name}.")
    if not numbered:
        return []
    numbers = sorted(numbered)
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if missing:
        first = next(a + 1 for a, b in zip(numbers, numbers[1:], strict=False) if b != a + 1)
        raise InputError(
            f"'{file.path}' has a gap: step_{first} is missing ({missing} steps are, between "
            f"step_{numbers[0]} and step_{numbers[-1]}). Number the steps one after the other."
        )
    keys = [f"{numbered[number]}/{_IMAGE}" for number in numbers]
    shape = _checked(file, keys[0]).shape
    if len(shape) != 5 or shape[0] != 1 or shape[2] != 3:
        raise file.refusal(keys[0], f"has shape {shape}, expected (1, cameras, 3, H, W)")
    _, cameras, _, height, width = shape

    def reader(camera: int) -> Callable[[int], NDArray[np.uint8]]:
        def read(index: int) -> NDArray[np.uint8]:
            data = _checked(file, keys[index])
            if data.shape != shape:
                raise file.refusal(
                    keys[index], f"has shape {data.shape}, that of the first step is {shape}"
                )
            return _pixels(file, keys[index], data, (0, camera)).transpose(1, 2, 0)

        return read

    return [Camera(f"camera_{k}", len(keys), width, height, reader(k)) for k in range(int(cameras))]


def _stacked(file: Hdf5File) -> list[Camera]:
    """Cameras of the stacked layout; none if no dataset is a stack of colour images."""
    found = []
    for name in sorted(file.names("images")):
        key = f"images/{name}"
        shape: tuple[int, ...] = getattr(file.find(key), "shape", None) or ()
        if len(shape) != 4 or shape[3] != 3:
            continue  # depth, or points
        data = _checked(file, key)
        length, height, width, _ = shape
        found.append(Camera(name, length, width, height, _stack_reader(file, key, data)))
    return found


def _stack_reader(file: Hdf5File, key: str, data: Any) -> Callable[[int], NDArray[np.uint8]]:
    return lambda index: _pixels(file, key, data, (index,))


LAYOUTS: dict[str, Callable[[Hdf5File], list[Camera]]] = {"steps": _steps, "stacked": _stacked}
"""What finds the cameras of a file, by the name of the layout; the first that finds any is it."""


def _checked(file: Hdf5File, key: str) -> Any:
    """A dataset of frames whose type and size are those of frames."""
    data = file.find(key)
    if data is None:
        raise file.refusal(key, "is missing")
    if getattr(data, "shape", None) is None:
        raise file.refusal(key, f"is {_described(data)}, expected frames")
    if data.dtype != np.uint8 and data.dtype.kind != "f":
        raise file.refusal(key, f"holds {data.dtype}, expected uint8, or floats from 0 to 1")
    if not data.size:
        raise file.refusal(key, f"is empty, its shape is {data.shape}")
    check_pixels(math.prod(data.shape[-3:]) // 3, 1, f"{file.path}, {key}")
    if problem := lies_elsewhere(data) or unwritten(data):
        raise file.refusal(key, problem)
    return data


def _pixels(file: Hdf5File, key: str, data: Any, place: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read one frame as uint8."""
    try:
        pixels: NDArray[Any] = data[place]
    except DAMAGES as error:
        raise file.unreadable(f"{key}{list(place)}", error) from None
    if pixels.dtype == np.uint8:
        return pixels
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
        raise file.refusal(
            key,
            f"holds values from {low:g} to {high:g}: floats are expected from 0 to 1; store pixels "
            "from 0 to 255 as uint8",
        )
    return np.rint(np.clip(pixels.astype(np.float32), 0, 1) * 255).astype(np.uint8)


def _rate(file: Hdf5File) -> float | None:
    """Frames per second that the file states, if that is a number that can be one."""
    try:
        value = np.asarray(file.file.attrs.get("fps", 0))
    except DAMAGES as error:
        raise file.unreadable("fps", error) from None
    if value.size != 1 or value.dtype.kind not in "iuf":
        return None
    rate = float(value.reshape(-1)[0])
    return rate if 0 < rate <= 1000 else None


def _contents(file: Hdf5File) -> str:
    """What a file holds, for the message that it is not what was expected."""
    names = sorted(file.names())
    if not names:
        return "It is empty."
    shown = [f"{name} ({_described(file.find(name))})" for name in names[:_LISTED]]
    return f"It has {', '.join(shown)}{', ...' if len(names) > _LISTED else ''}."


def _described(data: Any) -> str:
    shape = getattr(data, "shape", None)
    return "a group" if shape is None else f"{data.dtype} {tuple(shape)}"
