"""Reading TAO result files: ``{image_id, category_id, bbox, score, track_id, video_id}`` by row.

Boxes are ``(x, y, w, h)`` in pixels of the original image. A file is cut between rows into pieces
that a typed decoder turns into columns; where that fails, it is read again row by row, which takes
longer and can say which row is at fault. Results that are in columns already are not parsed.
"""

from __future__ import annotations

import io
import json
import re
import reprlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.files.archives import open_binary
from vovtrack.formats.checks import are_boxes, is_box, is_id, is_number
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.tao.columns import (
    COLUMNS,
    NO_TRACK,
    NO_VIDEO,
    ColumnBuilder,
    TaoResults,
    find_columns,
    read_columns,
    read_provenance,
)

CHUNK = 1 << 21  # bytes read at a time
_LONGEST = 1 << 20  # characters a single row may have where it is read alone
_BATCH = 1 << 14  # rows turned into columns at a time
_LAST_JOINT = re.compile(rb".*\}\s*(,)\s*\{", re.DOTALL)
_SPACE = " \t\n\r"  # what JSON takes for space
_JOINT = re.compile(rf"[{_SPACE}]*([\[,\]])[{_SPACE}]*")
_END = object()

__all__ = ["NO_TRACK", "NO_VIDEO", "TaoResults", "read_provenance", "read_results"]


def read_results(
    path: str | Path, problems: InputFaults | None = None, tracks: bool = True
) -> TaoResults:
    """Read a TAO result file of any size, or its columns.

    Where columns of the same content are beside the file, they are read instead of it; the
    numbers are the same.

    Args:
        path: JSON array of results, plain, ``.json.gz`` or ``.zip``; or the columns beside it.
        problems: What happens to rows with a value that cannot be; default: they are refused.
        tracks: Whether track ids are needed; detections, read without, have ``NO_TRACK``.

    Raises:
        InputError: The file cannot be read, is not a complete JSON array of objects, or a row
            lacks a key; or, unless ``problems`` is lenient, a row has an id that is not a 64-bit
            whole number, a number that is not finite, or a box of negative size. The message names
            the row.
    """
    problems = problems or InputFaults()
    columns = find_columns(path)
    if columns is not None:
        return _sound(read_columns(columns, tracks), columns, problems)
    results = _read_fast(path, tracks)
    return _read_exactly(path, problems, tracks) if results is None else results


class _Detection(msgspec.Struct, gc=False):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float
    video_id: int = NO_VIDEO


class _TrackBox(_Detection, kw_only=True, gc=False):
    track_id: int


def _read_fast(path: str | Path, tracks: bool) -> TaoResults | None:
    """Decode the file in pieces cut between rows; None if anything at all is unusual."""
    decode: Callable[[bytes], Sequence[_Detection]] = msgspec.json.Decoder(list[_Detection]).decode
    if tracks:
        decode = msgspec.json.Decoder(list[_TrackBox]).decode
    builder = ColumnBuilder()
    try:
        with open_binary(path) as file:
            for piece in _pieces(file):
                if not piece.isascii():
                    piece.decode("utf-8")  # the decoder does not look into what it passes over
                rows = decode(piece)
                columns = {
                    field: list(map(attrgetter(key), rows))
                    for key, (field, _) in COLUMNS.items()
                    if tracks or key != "track_id"
                }
                builder.add_columns(**{"track_ids": [NO_TRACK] * len(rows), **columns})
    except InputError:
        raise
    except (ValueError, OverflowError, RecursionError):  # the errors of msgspec are ValueErrors
        return None
    results = builder.results()
    return results if _are_sound(results).all() else None


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield a JSON array as several shorter ones, cut at a comma between two objects.

    A comma inside a row (between nested objects, or in a text) leaves brackets or quotes open,
    which the decoder refuses; so where all pieces decode, all were cut between rows.
    """
    rest = b""
    while data := file.read(CHUNK):
        rest += data
        joint = _LAST_JOINT.match(rest)
        if joint:
            yield rest[: joint.start(1)] + b"]"
            rest = b"[" + rest[joint.end(1) :]
        elif len(rest) > CHUNK + _LONGEST:
            raise ValueError("no end of a row")
    yield rest


def _are_sound(results: TaoResults) -> NDArray[np.bool_]:
    """Which rows have a possible box and a finite score: (N,) bool."""
    finite: NDArray[np.bool_] = np.isfinite(results.scores)
    return are_boxes(results.bboxes) & finite


def _sound(results: TaoResults, path: Path, problems: InputFaults) -> TaoResults:
    """The rows of columns that are sound; the others are reported."""
    good = _are_sound(results)
    for row in np.flatnonzero(~good).tolist():
        place = f"image {results.image_ids[row]}, video {results.video_ids[row]}"
        key = "score" if are_boxes(results.bboxes[row : row + 1])[0] else "bbox"
        problems.report(path, f"result {row} ({place})", _expected(key))
    return results if good.all() else results.select(good)


def _read_exactly(path: str | Path, problems: InputFaults, tracks: bool) -> TaoResults:
    """Read row by row and tell what is wrong with each."""
    keys = [key for key in COLUMNS if tracks or key != "track_id"]
    builder, rows, positions = ColumnBuilder(), [], array("q")
    for position, row in enumerate(_stream_array(path)):
        if _is_usable(row, position, keys, path, problems):
            rows.append(row if tracks else {**row, "track_id": NO_TRACK})
            positions.append(position)
        if len(rows) == _BATCH:
            builder.add(rows)
            rows = []
    builder.add(rows)
    return builder.results(positions)


def _is_usable(
    row: Any, position: int, keys: list[str], path: str | Path, problems: InputFaults
) -> bool:
    """Whether a row has possible values; those that have not are reported."""
    if not isinstance(row, dict):
        raise InputError(f"{path}: result {position}: this is not a JSON object.")
    place = f"image {_short(row.get('image_id'))}, video {_short(row.get('video_id'))}"
    for key in keys:
        if key == "video_id" and key not in row:
            continue
        if key not in row:
            raise InputError(f"{path}: result {position} ({place}): key '{key}' is missing.")
        check = {"bbox": is_box, "score": is_number}.get(key, is_id)
        if not check(row[key]):
            record = f"result {position} ({place}, {key} {reprlib.repr(row[key])})"
            problems.report(path, record, _expected(key))
            return False
    return True


def _expected(key: str) -> str:
    """Words for what the value of a key must be."""
    if key == "bbox":
        return "key 'bbox' must be four finite numbers x, y, w, h with w, h >= 0"
    kind = "a finite number" if key == "score" else "a whole number of 64 bits"
    return f"key '{key}' must be {kind}"


def _short(value: Any) -> str:
    return "not given" if value is None else reprlib.repr(value)


def _stream_array(path: str | Path) -> Iterator[Any]:
    """Yield the elements of a JSON array without holding the file in memory."""
    decoder = json.JSONDecoder()
    text, at, opener, count = "", 0, "[", 0
    try:
        with open_binary(path) as binary:
            file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
            while True:
                try:
                    element, at = _next_element(decoder, text, at, opener)
                except ValueError as error:
                    addition = file.read(CHUNK)
                    if not addition or len(text) - at > _LONGEST:
                        raise InputError(
                            f"{path}: not a JSON array of results, or cut short, after {count} "
                            f"results ({getattr(error, 'msg', error)})."
                        ) from None
                    text, at = text[at:] + addition, 0
                    continue
                if element is _END:
                    if text[at:].strip(_SPACE) or file.read(CHUNK).strip(_SPACE):
                        raise InputError(f"{path}: more text after the end of the JSON array.")
                    return
                yield element
                opener, count = ",", count + 1
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a UTF-8 text file ({error}).") from None
    except RecursionError:
        raise InputError(f"{path}: result {count} is nested too deeply to be one.") from None


def _next_element(decoder: json.JSONDecoder, text: str, at: int, opener: str) -> tuple[Any, int]:
    """Decode the element behind the next ``[`` or ``,``; ValueError if it is not all there."""
    joint = _JOINT.match(text, at)
    if joint and joint[1] == opener:
        start = joint.end()
        if opener == "[" and text[start : start + 1] == "]":
            return _END, start + 1
        return decoder.raw_decode(text, start)
    if joint and joint[1] == "]" and opener == ",":
        return _END, joint.end()
    raise ValueError(f"expected '{opener}'")
