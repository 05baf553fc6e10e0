"""The rows of a TAO result file as columns, in memory and in a binary file beside the JSON.

The binary file of ``tracks.json`` is ``tracks.columns.safetensors``: tensors ``image_id``,
``video_id``, ``category_id``, ``track_id`` (N,) int64, ``bbox`` (N, 4) and ``score`` (N,) float64.
Its metadata say which JSON it mirrors and what produced the results. Detections, which have no
tracks, lack ``track_id``.
"""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256

NO_VIDEO = -1
NO_TRACK = -1
SUFFIX = ".columns.safetensors"
_FORMAT = "vovtrack.tao_results.1"
_OWN = ("format", "json_size", "json_sha256")  # keys of the metadata that are not provenance
_KINDS = {np.int64: "I64", np.float64: "F64"}


COLUMNS = {
    "image_id": ("image_ids", np.int64),
    "video_id": ("video_ids", np.int64),
    "track_id": ("track_ids", np.int64),
    "category_id": ("category_ids", np.int64),
    "bbox": ("bboxes", np.float64),
    "score": ("scores", np.float64),
}


@dataclass(frozen=True)
class TaoResults:
    """The rows of a result file, in columns and in file order.

    Attributes:
        image_ids: (N,) int64.
        video_ids: (N,) int64, ``NO_VIDEO`` where the row does not say.
        track_ids: (N,) int64, ``NO_TRACK`` for detections.
        category_ids: (N,) int64.
        bboxes: (N, 4) float64 ``(x, y, w, h)``, pixels of the original image.
        scores: (N,) float64.
        positions: (N,) int64, place of the row in the file, from 0.
    """

    image_ids: NDArray[np.int64]
    video_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    bboxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image_ids)

    def select(self, rows: NDArray[np.integer[Any] | np.bool_]) -> TaoResults:
        """Return only the given rows (indices or a mask)."""
        return TaoResults(**{name: column[rows] for name, column in vars(self).items()})


class ColumnBuilder:
    """Collects rows piece by piece."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[NDArray[Any]]] = {field: [] for field, _ in COLUMNS.values()}

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows by key; those without track or video get ``NO_TRACK`` or ``NO_VIDEO``."""
        default = {"track_id": NO_TRACK, "video_id": NO_VIDEO}
        self.add_columns(
            **{
                field: [row.get(key, default[key]) if key in default else row[key] for row in rows]
                for key, (field, _) in COLUMNS.items()
            }
        )

    def add_columns(self, **columns: Sequence[Any]) -> None:
        """Add as many values to each attribute of :class:`TaoResults`, but ``positions``.

        Raises:
            OverflowError: An id has more than 64 bits.
        """
        boxes = list(chain.from_iterable(columns["bboxes"]))  # five times as fast as tuples
        for field, dtype in COLUMNS.values():
            values = boxes if field == "bboxes" else columns[field]
            self._pieces[field].append(np.array(values, dtype=dtype))

    def results(self, positions: ArrayLike | None = None) -> TaoResults:
        """Join what was added; the builder is empty then.

        Args:
            positions: Place of each row in its file; default: no row was left out.
        """
        columns = {
            field: np.concatenate([np.zeros(0, dtype), *self._pieces.pop(field)])
            for field, dtype in COLUMNS.values()
        }
        columns["bboxes"] = columns["bboxes"].reshape(-1, 4)
        if positions is None:
            positions = np.arange(len(columns["scores"]))
        return TaoResults(**columns, positions=np.asarray(positions, dtype=np.int64))


def columns_path(path: str | Path) -> Path:
    """Where the columns of a result file stand: beside it."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(".json") + SUFFIX)


def check_provenance(path: str | Path, provenance: Mapping[str, str]) -> None:
    """Refuse what cannot be kept with columns.

    Raises:
        InputError: A key is taken or a value is not a text.
    """
    for key, value in provenance.items():
        if key in _OWN or not isinstance(value, str):
            raise InputError(
                f"{path}: the provenance must have texts, and keys other than {_OWN}; not "
                f"'{key}': {value!r}."
            )


def write_columns(
    results: TaoResults, path: str | Path, source: str | Path, provenance: Mapping[str, str]
) -> None:
    """Write the columns of a finished result file.

    Args:
        results: Its rows. Where any has no track, they are detections, written without tracks.
        path: The file of columns.
        source: The JSON file.
        provenance: What produced them; free keys other than ``format`` and ``json_...``.

    Raises:
        InputError: See :func:`check_provenance`.
    """
    check_provenance(path, provenance)
    size, digest = Path(source).stat().st_size, file_sha256(source)
    mirrored = {"format": _FORMAT, "json_size": str(size), "json_sha256": digest}
    header: dict[str, dict[str, Any]] = {"__metadata__": {**provenance, **mirrored}}
    columns, end = [], 0
    for key, (field, dtype) in COLUMNS.items():
        column = np.ascontiguousarray(getattr(results, field), dtype)
        if key == "track_id" and (column == NO_TRACK).any():
            continue
        place = [end, end := end + column.nbytes]
        header[key] = {"dtype": _KINDS[dtype], "shape": column.shape, "data_offsets": place}
        columns.append(column)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with atomic_write(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for column in columns:
            file.write(column.data)


def read_columns(path: str | Path, tracks: bool = True) -> TaoResults:
    """Read a file of columns; the values are not looked at.

    Args:
        path: The file of columns.
        tracks: Whether track ids are needed; else they are ``NO_TRACK``.

    Raises:
        InputError: The file is damaged, of another kind or version, or has no track ids.
    """
    with _opened(path) as file:
        columns = {
            field: _column(path, file, key)
            for key, (field, _) in COLUMNS.items()
            if tracks or key != "track_id"
        }
    count = len(columns["scores"])
    for field, column in columns.items():
        if len(column) != count:
            raise InputError(f"{path}: damaged: {len(column)} {field} for {count} scores.")
    columns.setdefault("track_ids", np.full(count, NO_TRACK, dtype=np.int64))
    return TaoResults(**columns, positions=np.arange(count))


def find_columns(path: str | Path) -> Path | None:
    """Columns with the content of ``path``: itself, or the file beside it.

    Warns where the file beside it was written for another content.

    Args:
        path: A result file or a file of columns.

    Raises:
        InputError: The file of columns is damaged or of another version.
    """
    path, columns = Path(path), columns_path(path)
    if path.name.endswith(SUFFIX):
        return path
    if not (path.is_file() and columns.is_file()):
        return None
    with _opened(columns) as file:
        metadata = file.metadata()
    size = str(path.stat().st_size)
    if metadata.get("json_size") == size and metadata.get("json_sha256") == file_sha256(path):
        return columns
    warnings.warn(f"{columns} was written for another {path.name} and is left aside.", stacklevel=3)
    return None


def read_provenance(path: str | Path) -> dict[str, str]:
    """What produced the results, as far as the columns beside them tell.

    Args:
        path: A result file or a file of columns.

    Returns:
        What the writer was given; empty if there are no columns or they are of another file.

    Raises:
        InputError: The file of columns is damaged or of another version.
    """
    columns = find_columns(path)
    if columns is None:
        return {}
    with _opened(columns) as file:
        return {key: text for key, text in sorted(file.metadata().items()) if key not in _OWN}


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """Open a file of columns and check what it is."""
    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("format") != _FORMAT:
                raise InputError(f"{path}: not columns of results of this version ('{_FORMAT}').")
            yield file
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: cannot read the columns, perhaps cut short ({error}). Where the JSON lies "
            "beside them, delete them."
        ) from None


def _column(path: str | Path, file: Any, key: str) -> NDArray[Any]:
    """One column, once its type and shape are known to be right."""
    if key not in file.keys():  # noqa: SIM118 (no container)
        hint = ": these are detections without tracks" if key == "track_id" else ""
        raise InputError(f"{path}: the column '{key}' is missing{hint}.")
    found, expected = file.get_slice(key), _KINDS[COLUMNS[key][1]]
    kind, shape, width = found.get_dtype(), found.get_shape(), [4] if key == "bbox" else []
    if kind != expected or not shape or shape[1:] != width:
        raise InputError(
            f"{path}: column '{key}' must be {expected} of shape {['N', *width]}, not {kind} of "
            f"shape {shape}."
        )
    column: NDArray[Any] = file.get_tensor(key)
    return column
