"""Collections of photographs: those of installed packages, or a folder of one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256
from vovtrack.files.images import IMAGE_SUFFIXES, read_image
from vovtrack.files.targets import mark_input
from vovtrack.synthetic.photographs import PHOTOGRAPHS, Split, names_of, photograph

SMALLEST_SIDE = 32
"""Pixels of the shorter side of a photograph from which pieces can be cut."""
WORKING_SIDE = 1280
"""Pixels of the longer side to which photographs are shrunk."""
_KEPT = 16


@dataclass(frozen=True)
class Album:
    """Photographs that are read when they are needed.

    Attributes:
        names: Names of the photographs, sorted.
        fingerprint: Changes when other pixels would be read under one of the names.
        read: Returns a photograph by its name, (H, W, 3) uint8 RGB.
    """

    names: tuple[str, ...]
    fingerprint: str
    read: Callable[[str], NDArray[np.uint8]]


def packaged_album(split: Split) -> Album:
    """The photographs of one split that come inside installed packages."""
    names = tuple(sorted(names_of(split)))
    return Album(names, _fingerprint({n: PHOTOGRAPHS[n].sha256 for n in names}), photograph)


def folder_album(folder: str | Path, progress: bool = False) -> Album:
    """The photographs directly inside a folder.

    Grey, CMYK and 16-bit pictures become RGB of 8 bits; transparency is dropped. Those of more
    than `WORKING_SIDE` pixels are shrunk. All of them are read once at the beginning, so that a
    damaged one is found before anything is rendered.

    Args:
        folder: The folder.
        progress: Show a progress bar on stderr.

    Raises:
        InputError: There is no such folder, it holds no photographs, or one of them is damaged,
            too large to be read, or less than `SMALLEST_SIDE` pixels wide or high.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder: name one that holds photographs.")
    paths = sorted(
        p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()
    )
    if not paths:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(f"Folder '{folder}' holds no photographs ({kinds}).")
    hashes = {}
    for path in tqdm(paths, unit="photograph", disable=not progress, desc="reading"):
        mark_input(path, "a photograph")
        _read(path)
        hashes[path.name] = file_sha256(path)
    return Album(tuple(hashes), _fingerprint(hashes), partial(_read_known, folder, hashes))


def _fingerprint(hashes: dict[str, str]) -> str:
    lines = "".join(f"{name}\0{sha256}\n" for name, sha256 in hashes.items())
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def _read_known(folder: Path, hashes: dict[str, str], name: str) -> NDArray[np.uint8]:
    return _read_kept(folder / name, hashes[name])


@lru_cache(_KEPT)
def _read_kept(path: Path, sha256: str) -> NDArray[np.uint8]:
    pixels = _read(path)
    if file_sha256(path) != sha256:
        raise InputError(f"Photograph '{path}' has changed since the run began: begin again.")
    return pixels


def _read(path: Path) -> NDArray[np.uint8]:
    """Read a photograph of at most `WORKING_SIDE` pixels, (H, W, 3) uint8 RGB."""
    pixels = read_image(path)[..., ::-1]
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"Photograph '{path}' has {width} x {height} pixels, expected {SMALLEST_SIDE} or more "
            "on either side: remove it from the folder."
        )
    shrunk = Image.fromarray(np.ascontiguousarray(pixels))
    # Whatever its shape, the shorter side stays large enough.
    factor = max(WORKING_SIDE / max(height, width), SMALLEST_SIDE / min(height, width))
    if factor < 1:
        size = round(width * factor), round(height * factor)
        shrunk = shrunk.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(shrunk, np.uint8)
