"""DAVIS masks: ``<sequence>/<frame>.png``, where the value of a pixel is the number of its object.

PNGs have a palette (the index counts, not the colour) or one grey channel. 0 is background and 255
may mean "do not judge".
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree

VOID = 255


class MaskSequences:
    """The masks of all sequences of a folder or ``.zip``; pixels are read on demand.

    Args:
        path: Folder or archive. Of a whole DAVIS folder the masks below ``Annotations`` count.
        resolution: Which of the folders below ``Annotations``.

    Raises:
        InputError: There is no mask.
    """

    def __init__(self, path: str | Path, resolution: str = "480p") -> None:
        self.path = Path(path)
        self._tree = FileTree(path)
        names = self._tree.names(".png")
        root = f"Annotations/{resolution}/"
        chosen = [name for name in names if root in f"/{name}"] or names
        self._frames: dict[str, dict[str, str]] = defaultdict(dict)
        for name in chosen:
            place = PurePosixPath(name)
            if place.parent.name:
                self._frames[place.parent.name][place.stem] = name
        if not self._frames:
            raise InputError(f"{path}: found no <sequence>/<frame>.png in it.")

    def names(self) -> list[str]:
        """Names of the sequences, sorted."""
        return sorted(self._frames)

    def frames(self, sequence: str) -> list[str]:
        """Names of the frames of a sequence, sorted."""
        return sorted(self._frames[sequence])

    def read(self, sequence: str, frame: str) -> NDArray[np.uint8]:
        """Object numbers of one frame: (H, W) uint8.

        Raises:
            InputError: The file is damaged, or has colours instead of numbers.
        """
        name = self._frames[sequence][frame]
        place = f"{self.path}/{name}"
        try:
            with self._tree.open(name) as file, Image.open(file) as image:
                if image.mode not in ("P", "L", "1"):
                    raise InputError(
                        f"{place}: a PNG of mode {image.mode}; expected a palette or one grey "
                        "channel whose values are object numbers."
                    )
                return np.array(image, dtype=np.uint8)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{place}: damaged, or not a PNG ({error}).") from None
