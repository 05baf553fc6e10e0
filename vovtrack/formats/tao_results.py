"""Reading TAO result files: ``{image_id, category_id, bbox, score, track_id, video_id}`` by row.

Boxes are ``(x, y, w, h)`` in pixels of the original image. A file is read in pieces that a typed
decoder turns into columns; where that fails, row by row, which takes longer and can say which row
is at fault. Results that stand in columns already are not parsed at all.
"""

from __future__ import annotations

import io
import json
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from vovtrack.errors import InputError
from vovtrack.formats.opening import open_binary
from vovtrack.formats.problems import Problems
from vovtrack.formats.tao import is_box, is_id, is_number
from vovtrack.formats.tao_columns import (
    NO_VIDEO,
    ColumnBuilder,
    TaoResults,
    find_columns,
    read_columns,
    read_provenance,
)

CHUNK = 1 << 22  # bytes read at a time
_LONGEST = 1 << 20  # characters a single row may have
_JOINT = re.compile(r"\s*([\[,\]])\s*")
_CUT = re.compile(rb"\}\s*,")
_END = object()

__all__ = ["NO_VIDEO", "TaoResults", "read_provenance", "read_results"]


def read_results(path: str | Path, problems: Problems | None = None) -> TaoResults:
    """Read a TAO result file of any size, or its columns.

    Args:
        path: JSON array of results, plain, ``.json.gz`` or ``.zip``; or the columns beside it.
        problems: What happens to faulty rows; default: they are refused.

    Raises:
        InputError: The file cannot be read, is not a complete JSON array, or has a row without a
            required key, with an id that is not a 64-bit whole number, with a number that is not
            finite, or with a box of negative size. The message names the row.
    """
    problems = problems or Problems()
    columns = find_columns(path)
    if columns is not None:
        return _sound(read_columns(columns), columns, problems)
    results = _read_fast(path)
    if results is None or _faulty(results).any():
        results = _read_exactly(path, problems)
    return results


class _Row(msgspec.Struct, gc=False):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float
    track_id: int
    video_id: int = NO_VIDEO


def _read_fast(path: str | Path, chunk: int | None = None) -> TaoResults | None:
    """Decode the file in pieces cut between rows; None if anything at all is unusual."""
    decoder = msgspec.json.Decoder(list[_Row])
    columns = ColumnBuilder()
    try:
        with open_binary(path) as file:
            for piece in _pieces(file, chunk or CHUNK):
                _add(columns, decoder.decode(piece))
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError):
        return None
    return columns.results()


def _add(columns: ColumnBuilder, rows: list[_Row]) -> None:
    columns.add_columns(
        image_ids=[row.image_id for row in rows],
        video_ids=[row.video_id for row in rows],
        track_ids=[row.track_id for row in rows],
        category_ids=[row.category_id for row in rows],
        bboxes=[row.bbox for row in rows],
        scores=[row.score for row in rows],
    )


def _pieces(file: BinaryIO, chunk: int) -> Iterator[bytes]:
    """Cut a JSON array behind the last object that ends in each piece of the file.

    A cut inside a row (behind a nested object, or inside of a text) leaves brackets or quotes
    open, which the decoder refuses; so a piece that decodes was cut between rows.
    """
    rest, opener = b"", b""
    while data := file.read(chunk):
        rest += data
        brace = rest.rfind(b"},")
        cut = _CUT.match(rest, brace) if brace >= 0 else _last(_CUT.finditer(rest))
        if cut:
            yield opener + rest[: cut.start() + 1] + b"]"
            rest, opener = rest[cut.end() :], b"["
        elif len(rest) > _LONGEST + chunk:
            break
    # Behind a cut there was a comma, so the array must not end at once.
    yield rest if opener and rest.strip() == b"]" else opener + rest


def _last(matches: Iterator[re.Match]) -> re.Match | None:
    return next(iter(deque(matches, maxlen=1)), None)


def _faulty(results: TaoResults) -> np.ndarray:
    """Rows with numbers that are not finite or a box of negative size: (N,) bool."""
    finite = np.isfinite(results.bboxes).all(axis=1) & np.isfinite(results.scores)
    return ~finite | (results.bboxes[:, 2:] < 0).any(axis=1)


def _sound(results: TaoResults, path: Path, problems: Problems) -> TaoResults:
    """The rows of columns that are sound; the others are reported."""
    faulty = _faulty(results)
    for row in np.flatnonzero(faulty):
        box, score = results.bboxes[row].tolist(), results.scores[row]
        problems.report(path, f"result {row}", f"box {box} or score {score} is impossible")
    return results.select(~faulty) if faulty.any() else results


def _read_exactly(path: str | Path, problems: Problems) -> TaoResults:
    """Read row by row, reporting every faulty one by its position."""
    columns, rows = ColumnBuilder(), []
    for position, row in enumerate(_stream_array(path)):
        complaint = _complaint(row)
        if complaint:
            place = f"result {position}"
            if isinstance(row, dict):
                place += f" (image {row.get('image_id')}, video {row.get('video_id')})"
            problems.report(path, place, complaint)
        else:
            rows.append(row)
        if len(rows) == 1 << 16:
            columns.add(rows)
            rows = []
    columns.add(rows)
    return columns.results()


def _complaint(row: Any) -> str:
    """What is wrong with a row, or nothing."""
    if not isinstance(row, dict):
        return "this is not a JSON object"
    for key in ("image_id", "track_id", "category_id", "score", "bbox"):
        if key not in row:
            return f"key '{key}' is missing"
    for key in ("image_id", "track_id", "category_id", "video_id"):
        if not is_id(row.get(key, NO_VIDEO)):
            return f"key '{key}' must be a whole number of 64 bits, not {_short(row[key])}"
    if not is_box(row["bbox"]):
        return (
            "key 'bbox' must be four finite numbers x, y, w, h with w, h >= 0, "
            f"not {_short(row['bbox'])}"
        )
    if not is_number(row["score"]):
        return f"key 'score' must be a finite number, not {_short(row['score'])}"
    return ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."


def _stream_array(path: str | Path) -> Iterator[Any]:
    """Yield the elements of a JSON array without holding the file in memory."""
    decoder = json.JSONDecoder()
    text, at, opener, count = "", 0, "[", 0
    try:
        with open_binary(path) as binary:
            file = io.TextIOWrapper(binary, encoding="utf-8")
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
                    if text[at:].strip() or file.read(CHUNK).strip():
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
