"""Pictures that rendered videos are made of: noise, or the photographs of installed packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from vovtrack.files.images import write_image
from vovtrack.synthetic.albums import packaged_album
from vovtrack.synthetic.photographs import Split

KINDS = ("noise", "photographs")
COUNT, SIZE = 48, (512, 384)
"""Pictures of noise for each split, and their width and height."""
GRAINS = ((64, 35.0), (16, 35.0), (6, 25.0))
"""Cells of the noise in pixels, and its standard deviation in grey levels."""


def write_pictures(folder: Path, kind: str) -> None:
    """Write ``folder/train`` and ``folder/test``, which share no picture."""
    for seed, split in enumerate(get_args(Split)):
        pictures = _noise(seed) if kind == "noise" else _photographs(split)
        for number, picture in enumerate(pictures):
            write_image(folder / split / f"{number:02d}.png", picture)


def _photographs(split: Split) -> Iterator[NDArray[np.uint8]]:
    album = packaged_album(split)
    return map(album.read, album.names)


def _noise(seed: int) -> Iterator[NDArray[np.uint8]]:
    """Coloured noise of several grains, cubic between its cells, about a colour of its own."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    for _ in range(COUNT):
        picture = np.tile(rng.uniform(70, 180, 3), (height, width, 1))
        for cell, spread in GRAINS:
            cells = rng.normal(0, spread, (-(-height // cell), -(-width // cell), 3))
            picture += cv2.resize(cells, SIZE, interpolation=cv2.INTER_CUBIC)
        yield picture.clip(0, 255).astype(np.uint8)
