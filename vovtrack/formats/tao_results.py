"""TAO result files: a JSON array of ``{image_id, category_id, bbox, score, track_id, video_id}``.

Boxes are ``(x, y, w, h)`` in pixels of the original image. Both directions stream: a video reaches
the disk when it is done, and a file of any size is read in pieces.
"""

from __future__ import annotations

import json
import re
import shutil
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.formats.atomic import atomic_write
from vovtrack.formats.tao import is_box
from vovtrack.structures import TrackSequence

_CHUNK = 1 << 20  # characters read at a time
_LONGEST = 1 << 20  # characters a single row may have
_JOINT = re.compile(r"\s*([\[,\]])\s*")
_END = object()
NO_VIDEO = -1


def rows_from_sequence(sequence: TrackSequence, track_id_offset: int = 0) -> list[dict[str, Any]]:
    """Turn the tracks of one video into TAO result rows, in the order of the sequence.

    Args:
        sequence: Tracks with ``video_id`` and ``image_ids``; rows without a track are left out.
        track_id_offset: Added to every track id. :class:`TaoResultWriter` makes ids unique over
            videos by itself.

    Raises:
        InputError: The sequence does not know its video id or its image ids.
    """
    if sequence.video_id is None or sequence.image_ids is None:
        raise InputError(f"Video '{sequence.name}': TAO results need video_id and image_ids.")
    tracks = sequence.select(sequence.track_ids >= 0)
    boxes = tracks.bboxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    category_ids = np.array(tracks.vocabulary.category_ids)[tracks.labels]
    columns = (
        tracks.image_ids[tracks.frame_ids],
        category_ids,
        boxes,
        tracks.scores.astype(np.float64),
        tracks.track_ids + track_id_offset,
    )
    keys = ("image_id", "category_id", "bbox", "score", "track_id")
    return [
        {**dict(zip(keys, values, strict=True)), "video_id": sequence.video_id}
        for values in zip(*(column.tolist() for column in columns), strict=True)
    ]


def vote_track_categories(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give every track its most frequent category; of equally frequent ones the smallest id.

    The "track class consistency" of published open-vocabulary TAO results. Rows keep their order.
    """
    rows = list(rows)
    votes: dict[tuple, Counter] = defaultdict(Counter)
    for row in rows:
        votes[row["video_id"], row["track_id"]][row["category_id"]] += 1
    winner = {
        track: min(counts, key=lambda category: (-counts[category], category))
        for track, counts in votes.items()
    }
    return [{**row, "category_id": winner[row["video_id"], row["track_id"]]} for row in rows]


class TaoResultWriter:
    """Writes a TAO result file video by video, in constant memory, and survives a kill.

    Rows without ``track_id`` are detections, which TAO stores in a file of their own.

    Each finished video is a file of its own in ``<path>.parts``, complete or absent. Leaving the
    ``with`` block without an error joins them into ``path``, ordered by video id and with track
    ids made unique over videos, and removes the folder. After a crash the parts stay; a new writer
    lists them in :attr:`finished` and the caller skips those videos. Several processes may share
    one path: each calls :meth:`write_video`, one calls :meth:`finish` when all are done.

    Args:
        path: The result file.
        run: What produced the results (checkpoint, config, data; any text). Parts left by another
            run are refused instead of being mixed in.

    Raises:
        InputError: Parts of another run lie beside ``path``.
    """

    def __init__(self, path: str | Path, run: str = "") -> None:
        self.path = Path(path)
        self.parts = self.path.with_name(self.path.name + ".parts")
        self._claim(run)

    @property
    def finished(self) -> frozenset[int]:
        """Ids of the videos that are already on disk."""
        return frozenset(int(part.stem) for part in self.parts.glob("*.json"))

    def write_video(self, video_id: int, rows: list[dict[str, Any]]) -> None:
        """Store the rows of one finished video; an empty list says it has no tracks.

        Raises:
            InputError: A value is not finite or a row belongs to another video.
        """
        for row in rows:
            if row["video_id"] != video_id:
                raise InputError(f"A row of video {row['video_id']} came with video {video_id}.")
        with atomic_write(self.parts / f"{video_id}.json") as file:
            try:
                json.dump(rows, file, allow_nan=False)
            except ValueError:
                raise InputError(
                    f"{self.path}: a box or score of video {video_id} is not finite; "
                    "refusing to write it."
                ) from None

    def finish(self) -> None:
        """Join the finished videos into the result file and remove the parts.

        Raises:
            InputError: It was done before; the result file stays as it is.
        """
        self.join()
        self.discard()

    def discard(self) -> None:
        """Remove the parts, once everything made of them is safe."""
        shutil.rmtree(self.parts)

    def join(self) -> None:
        """Write the result file from the finished videos, and keep the parts.

        Raises:
            InputError: The parts are gone: it was done before.
        """
        if not self.parts.exists():
            raise InputError(f"{self.path}: the finished videos were already joined.")
        with atomic_write(self.path) as file:
            file.write("[")
            separator, offset = "\n", 0
            for video_id in sorted(self.finished):
                rows = json.loads((self.parts / f"{video_id}.json").read_text(encoding="utf-8"))
                for row in rows:
                    if "track_id" in row:
                        row["track_id"] += offset
                    file.write(separator + json.dumps(row, separators=(",", ":")))
                    separator = ",\n"
                ids = [row["track_id"] + 1 for row in rows if "track_id" in row]
                offset = max(ids, default=offset)
            file.write("\n]\n")

    def __enter__(self) -> TaoResultWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()

    def _claim(self, run: str) -> None:
        """Say whose parts these are, or check that they are ours."""
        label = self.parts / "run.txt"
        if self.finished and (not label.exists() or label.read_text(encoding="utf-8") != run):
            raise InputError(
                f"{self.parts}: holds unfinished results of another run; delete the folder or "
                "write to another path."
            )
        with atomic_write(label) as file:
            file.write(run)


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

    def select(self, rows: np.ndarray) -> TaoResults:
        """Return only the given rows (indices or a mask)."""
        return TaoResults(**{name: column[rows] for name, column in vars(self).items()})


def read_results(path: str | Path) -> TaoResults:
    """Read a result file in pieces; only the columns stay in memory.

    Raises:
        InputError: The file cannot be read, is no JSON array or is cut short, a row lacks a key,
            or a number is not finite or not of its type. The message names the row.
    """
    path = Path(path)
    integers = {k: array("q") for k in ("image_id", "video_id", "track_id", "category_id")}
    bboxes, scores = array("d"), array("d")
    for position, row in enumerate(_stream_array(path)):
        try:
            for key, column in integers.items():
                column.append(row.get(key, NO_VIDEO) if key == "video_id" else row[key])
            scores.append(row["score"])
            if not is_box(row["bbox"]) or not np.isfinite(scores[-1]):
                raise ValueError
            bboxes.extend(row["bbox"])
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            raise InputError(f"{path}: {_complaint(row, position)}.") from None
    return TaoResults(
        **{f"{key}s": np.array(column, dtype=np.int64) for key, column in integers.items()},
        bboxes=np.array(bboxes, dtype=np.float64).reshape(-1, 4),
        scores=np.array(scores, dtype=np.float64),
    )


def _complaint(row: Any, position: int) -> str:
    """What is wrong with a row that could not be taken."""
    if not isinstance(row, dict):
        return f"result {position} is not a JSON object"
    place = f"result {position} (image {row.get('image_id')}, video {row.get('video_id')})"
    for key in ("image_id", "track_id", "category_id", "score", "bbox"):
        if key not in row:
            return f"key '{key}' is missing in {place}"
    for key in ("image_id", "track_id", "category_id", "video_id"):
        if not isinstance(row.get(key, NO_VIDEO), int):
            return f"key '{key}' of {place} must be a whole number, not {row[key]!r}"
    if not is_box(row["bbox"]):
        return (
            f"key 'bbox' of {place} must be four finite numbers x, y, w, h with w, h >= 0, "
            f"not {row['bbox']}"
        )
    return f"key 'score' of {place} must be a finite number, not {row['score']!r}"


def _stream_array(path: Path) -> Iterator[Any]:
    """Yield the elements of a JSON array without holding the file in memory."""
    decoder = json.JSONDecoder()
    text, at, opener, count = "", 0, "[", 0
    try:
        with open(path, encoding="utf-8") as file:
            while True:
                try:
                    element, at = _next_element(decoder, text, at, opener)
                except ValueError as error:
                    addition = file.read(_CHUNK)
                    if not addition or len(text) - at > _LONGEST:
                        raise InputError(
                            f"{path}: not a JSON array of results, or cut short, after {count} "
                            f"results ({getattr(error, 'msg', error)})."
                        ) from None
                    text, at = text[at:] + addition, 0
                    continue
                if element is _END:
                    if text[at:].strip() or file.read(_CHUNK).strip():
                        raise InputError(f"{path}: more text after the end of the JSON array.")
                    return
                yield element
                opener, count = ",", count + 1
    except OSError as error:
        raise InputError(f"{path}: cannot read the results: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file ({error}).") from None


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
