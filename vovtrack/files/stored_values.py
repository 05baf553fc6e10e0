"""Large values of a pickle that stay in its file until they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError


@dataclass(frozen=True)
class StoredBytes:
    """Bytes of a file.

    Attributes:
        path: The file.
        start: Where they begin.
        length: How many bytes of the file they take.
        as_text: They are stored as old pickles store bytes: each as the character of its number,
            in UTF-8.
    """

    path: Path
    start: int
    length: int
    as_text: bool = False

    def read(self) -> bytes:
        """Read them.

        Raises:
            InputError: The file is not what it was.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(self.start)
                data = file.read(self.length)
            if len(data) < self.length:
                raise ValueError("it has become shorter")
            return data.decode("utf-8").encode("latin1") if self.as_text else data
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: cannot read a stored value ({error}).") from None


@dataclass(frozen=True)
class StoredArray:
    """A numpy array in a file.

    Attributes:
        data: Its numbers.
        dtype: Their type.
        shape: Of the array.
        order: Whether the last (``C``) or the first (``F``) axis changes fastest.
    """

    data: StoredBytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the array in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self) -> NDArray[Any]:
        """Read it; the array cannot be written to.

        Raises:
            InputError: The file is damaged.
        """
        try:
            flat: NDArray[Any] = np.frombuffer(self.data.read(), self.dtype)
            return flat.reshape(self.shape, order=self.order)
        except ValueError as error:
            raise InputError(f"{self.data.path}: an array is damaged ({error}).") from None
