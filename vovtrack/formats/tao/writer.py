"""Writing TAO result files: video by video, in constant memory, safe against a kill.

A file is a JSON array of ``{image_id, category_id, bbox, score, track_id, video_id}``; boxes are
``(x, y, w, h)`` in pixels of the original image. Beside it stand the same rows in columns, see
:mod:`vovtrack.formats.tao.columns`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np

from vovtrack.errors import InputError, one_of
from vovtrack.files.atomic import atomic_write
from vovtrack.files.parts import Parts
from vovtrack.formats.checks import is_id
from vovtrack.formats.tao.columns import (
    ColumnBuilder,
    check_provenance,
    columns_path,
    write_columns,
)
from vovtrack.ops.voting import majority_class
from vovtrack.structures import TrackSequence


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
        sequence.image_ids[tracks.frame_ids],
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


def vote_track_categories(
    rows: Iterable[dict[str, Any]], by: Literal["count", "score"] = "count"
) -> list[dict[str, Any]]:
    """Give every track one category; of equally good ones the smallest id. Rows keep their order.

    The "track class consistency" of published open-vocabulary TAO results counts boxes.

    Args:
        rows: Result rows.
        by: ``count`` takes the most frequent category, ``score`` the largest sum of scores.

    Raises:
        InputError: ``by`` is something else.
    """
    one_of("by", by, ("count", "score"))
    rows = list(rows)
    votes: dict[tuple[int, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows:
        vote = 1 if by == "count" else row["score"]
        votes[row["video_id"], row["track_id"]][row["category_id"]] += vote
    winner = {track: majority_class(counts) for track, counts in votes.items()}
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
        provenance: Facts about the results, kept with their columns: what they were made for.

    Raises:
        InputError: Parts of another run lie beside ``path``, or the provenance is not of texts.
    """

    def __init__(
        self, path: str | Path, run: str = "", provenance: Mapping[str, str] | None = None
    ) -> None:
        self.path = Path(path)
        self.provenance = dict(provenance or {})
        check_provenance(self.path, self.provenance)
        self.parts = Parts(self.path, run)

    @property
    def finished(self) -> frozenset[int]:
        """Ids of the videos that are already on disk."""
        return frozenset(map(int, self.parts.finished(".json")))

    def write_video(self, video_id: int, rows: list[dict[str, Any]]) -> None:
        """Store the rows of one finished video; an empty list says it has no tracks.

        Raises:
            InputError: A value is not finite, an id is not a whole number, or a row belongs to
                another video.
        """
        for row in rows:
            if row["video_id"] != video_id:
                raise InputError(f"A row of video {row['video_id']} came with video {video_id}.")
            for key in ("image_id", "category_id", "track_id"):
                if not is_id(row.get(key, 0)):
                    raise InputError(
                        f"{self.path}: '{key}' of a row of video {video_id} is {row[key]!r}; a "
                        "whole number was expected."
                    )
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
        self.parts.discard()

    def join(self) -> None:
        """Write the result file, then its columns, from the finished videos; keep the parts.

        The columns take some 120 bytes of memory per box. Without them, should the process be
        killed in between, the result file is read all the same.

        Raises:
            InputError: The parts are gone: it was done before.
        """
        if not self.parts.folder.exists():
            raise InputError(f"{self.path}: the finished videos were already joined.")
        columns = ColumnBuilder()
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
                columns.add(rows)
                ids = [row["track_id"] + 1 for row in rows if "track_id" in row]
                offset = max(ids, default=offset)
            file.write("\n]\n")
        write_columns(columns.results(), columns_path(self.path), self.path, self.provenance)

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
