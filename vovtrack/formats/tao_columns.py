"""TAO results in columns: in memory, and as a binary file that needs no parsing.

``tao_track.columns.safetensors`` holds the rows of ``tao_track.json`` bit for bit, with the size
and hash of that file and the provenance of the results.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vovtrack.errors import InputError
from vovtrack.formats.atomic import atomic_write
from vovtrack.formats.hashing import file_sha256

NO_VIDEO = -1
NO_TRACK = -1
SUFFIX = ".columns.safetensors"
_FORMAT = "tao-columns-1"
_SHAPES = {"bboxes": (4,)}


@dataclass(frozen=True)
class TaoResults:
    """The rows of a result file, in columns and in file order.

    Attributes:
        image_ids: (N,) int64.
        video_ids: (N,) int64, ``NO_VIDEO`` where the row does not say.
        track_ids: (N,) int64.
        category_ids: (N,) int64.
        bboxes: (N, 4) float64 ``(x, y, w, h)``, pixels of the original image.
        scores: (N,) float64.
    """

    image_ids: np.ndarray
    video_ids: np.ndarray
    track_ids: np.ndarray
    category_ids: np.ndarray
    bboxes: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.image_ids)

    def select(self, rows: np.ndarray | slice) -> TaoResults:
        """Return only the given rows (indices, a mask or a slice)."""
        return TaoResults(**{name: column[rows] for name, column in vars(self).items()})


class ColumnBuilder:
    """Collects rows into columns, piece by piece."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[np.ndarray]] = {
            name: [np.zeros((0, *_SHAPES.get(name, ())), dtype=dtype)]
            for name, dtype in _DTYPES.items()
        }

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows of valid results; rows without a track or a video say so."""
        self.add_columns(
            image_ids=[row["image_id"] for row in rows],
            video_ids=[row.get("video_id", NO_VIDEO) for row in rows],
            track_ids=[row.get("track_id", NO_TRACK) for row in rows],
            category_ids=[row["category_id"] for row in rows],
            bboxes=[row["bbox"] for row in rows],
            scores=[row["score"] for row in rows],
        )

    def add_columns(self, **columns: Sequence) -> None:
        """Add as many values to each column.

        Raises:
            OverflowError: An id does not fit 64 bits.
        """
        for name, values in columns.items():
            shape = (len(values), *_SHAPES.get(name, ()))
            self._pieces[name].append(np.array(values, dtype=_DTYPES[name]).reshape(shape))

    def results(self) -> TaoResults:
        """Join the pieces, and forget them."""
        joined = {}
        for name in list(self._pieces):
            joined[name] = np.concatenate(self._pieces.pop(name))
        return TaoResults(**joined)


_DTYPES = {
    "image_ids": np.int64,
    "video_ids": np.int64,
    "track_ids": np.int64,
    "category_ids": np.int64,
    "bboxes": np.float64,
    "scores": np.float64,
}


def columns_path(path: str | Path) -> Path:
    """Where the columns of a result file stand: ``a/b.json`` to ``a/b.columns.safetensors``."""
    return Path(path).with_suffix(SUFFIX)


def write_columns(
    results: TaoResults, path: str | Path, source: str | Path, provenance: Mapping[str, str]
) -> None:
    """Write results in columns, complete or not at all.

    Args:
        results: The rows.
        path: The file to write.
        source: The JSON file that holds the same rows; its size and hash are recorded.
        provenance: Facts about the results.
    """
    metadata = {
        "format": _FORMAT,
        "json_size": str(Path(source).stat().st_size),
        "json_sha256": file_sha256(source),
        "provenance": json.dumps(dict(provenance)),
    }
    arrays = {name: np.ascontiguousarray(column) for name, column in vars(results).items()}
    with atomic_write(path, "wb") as file:
        file.write(save(arrays, metadata))


def read_columns(path: str | Path) -> TaoResults:
    """Read what :func:`write_columns` wrote.

    Raises:
        InputError: The file is damaged or something else.
    """
    with _opened(path) as file:
        if set(file.keys()) != set(_DTYPES):
            raise InputError(f"{path}: expected the columns {', '.join(_DTYPES)}.")
        columns = {name: file.get_tensor(name) for name in _DTYPES}
    for name, column in columns.items():
        shape = (len(columns["image_ids"]), *_SHAPES.get(name, ()))
        if column.dtype != _DTYPES[name] or column.shape != shape:
            raise InputError(
                f"{path}: column '{name}' is {column.dtype} {column.shape}; expected "
                f"{np.dtype(_DTYPES[name])} {shape}."
            )
    return TaoResults(**columns)


def find_columns(path: str | Path) -> Path | None:
    """The columns to read for a result file: its own, or those beside the JSON if they fit it.

    Columns made of another JSON file are left alone, with a warning.

    Raises:
        InputError: The columns are damaged.
    """
    path = Path(path)
    if path.name.endswith(SUFFIX):
        return path
    beside = columns_path(path)
    if path.suffix != ".json" or not beside.is_file() or not path.is_file():
        return None
    metadata = _metadata(beside)
    if metadata.get("json_size") == str(path.stat().st_size) and (
        metadata.get("json_sha256") == file_sha256(path)
    ):
        return beside
    warnings.warn(f"{beside} is not of the present {path.name}; reading the JSON.", stacklevel=2)
    return None


def read_provenance(path: str | Path) -> dict[str, str]:
    """Facts about a result file that were recorded with its columns; empty if there are none.

    Raises:
        InputError: The columns are damaged.
    """
    columns = find_columns(path)
    if columns is None:
        return {}
    try:
        return {str(k): str(v) for k, v in json.loads(_metadata(columns)["provenance"]).items()}
    except (KeyError, ValueError, AttributeError):
        raise InputError(f"{columns}: its provenance cannot be read; delete the file.") from None


def _metadata(path: Path) -> dict[str, str]:
    with _opened(path) as file:
        return file.metadata()


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """``safe_open`` whose errors are sentences, for files of our format only."""
    try:
        with safe_open(str(path), framework="np") as file:
            if (file.metadata() or {}).get("format") != _FORMAT:
                raise InputError(f"{path}: these are not result columns of format {_FORMAT}.")
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged; delete it and use the JSON ({error}).") from None
