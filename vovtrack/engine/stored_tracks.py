"""Drawing tracks that were stored: result files and the frames that they belong to, as a video."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vovtrack.datasets.video import read_video
from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.files.images import read_image, write_image
from vovtrack.formats.mot import read_sequence
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.formats.tao.results import read_results
from vovtrack.structures import Vocabulary
from vovtrack.visualization import TrackHistory, VideoWriter, draw_tracks

DEFAULT_FPS = 25.0
"""Of a video whose frames have no rate of their own."""
Rows = dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
"""Boxes (n, 4) xyxy, track ids, labels and scores (n,), by frame from 0."""


@dataclass(frozen=True)
class StoredVideo:
    """The tracks of one video and its frames.

    Attributes:
        rows: What was tracked.
        names: Class names.
        frames: The frames in order, (H, W, 3) uint8 RGB.
        fps: Frames per second, None if they have no rate.
    """

    rows: Rows
    names: Sequence[str]
    frames: Iterable[np.ndarray]
    fps: float | None


def open_tracks(
    results: str | Path,
    source: str | Path | None = None,
    ann_file: str | Path | None = None,
    video: str | None = None,
    classes: Sequence[str] = (),
) -> StoredVideo:
    """Open a result file and the frames that it belongs to.

    Args:
        results: ``.json`` of 'vovtrack track', TAO results (``.json``), or MOTChallenge text
            (``.txt``).
        source: Video or folder of frames; of TAO results the folder that the file names of the
            annotation start in. By default the source that the JSON of 'vovtrack track' names.
        ann_file: Annotation file of TAO results.
        video: Name or id of a video of TAO results; may be left out if there is one.
        classes: Class names of MOTChallenge text, by class number from 1.

    Raises:
        InputError: A file is missing or of another kind, or something is not given that it needs.
    """
    path = Path(results)
    if path.suffix == ".txt":
        return _mot(path, source, classes)
    if ann_file is None:
        return _own(path, source)
    if source is None:
        raise InputError("TAO results need --frames, the folder of the annotation's images.")
    return _tao(path, Path(source), Path(ann_file), video)


def draw_stored(
    stored: StoredVideo, out: str | Path, fps: float | None = None, score_thr: float = 0.0
) -> tuple[int, int]:
    """Write the video.

    Args:
        stored: What to draw.
        out: Video file.
        fps: Frames per second; by default those of the frames.
        score_thr: Boxes with smaller scores are left out.

    Returns:
        Numbers of frames and of tracks.

    Raises:
        InputError: There are tracks in frames that the source does not have.
    """
    rows = _above(stored.rows, score_thr)
    history, count = _voted(rows), 0
    with VideoWriter(out, fps or stored.fps or DEFAULT_FPS) as writer:
        for frame, (boxes, ids, labels, scores) in _paired(stored, rows):
            history.move(ids, boxes)
            drawn = draw_tracks(frame, boxes, ids, labels, scores, stored.names, history)
            writer.write(drawn)
            count += 1
    return count, len(history.classes)


def draw_sheet(
    stored: StoredVideo,
    out: str | Path,
    score_thr: float = 0.0,
    count: int = 4,
    columns: int = 2,
    width: int = 480,
) -> tuple[int, int]:
    """Write one picture of frames at equal distances among those that have tracks.

    Args:
        stored: What to draw.
        out: Picture file.
        score_thr: Boxes with smaller scores are left out.
        count: Frames to show, if so many have tracks.
        columns: Frames beside each other.
        width: Pixels of a frame; small ones are enlarged before labels are written.

    Returns:
        Numbers of frames shown and of tracks in the whole video.

    Raises:
        InputError: There are no tracks, or some in frames that the source does not have.
    """
    rows = _above(stored.rows, score_thr)
    tracked = [index for index in sorted(rows) if len(rows[index][0])]
    if not tracked:
        raise InputError(f"There is no track above {score_thr:g}: no picture was written.")
    places = (np.arange(count) + 0.5) * len(tracked) / count
    chosen = {tracked[place] for place in places.astype(int)}
    history, pictures = _voted(rows), []
    for index, (frame, (boxes, ids, labels, scores)) in enumerate(_paired(stored, rows)):
        factor = width / frame.shape[1]
        history.move(ids, boxes * factor)
        if index in chosen:
            size = (width, round(frame.shape[0] * factor))
            large = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)
            found = (boxes * factor, ids, labels, scores)
            pictures.append(draw_tracks(large, *found, stored.names, history))
    pictures += [np.full_like(pictures[0], 255)] * (-len(pictures) % columns)
    rows_of = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    write_image(out, np.concatenate([np.concatenate(row, axis=1) for row in rows_of]))
    return len(chosen), len(history.classes)


def _above(rows: Rows, score_thr: float) -> Rows:
    return {i: tuple(c[columns[3] >= score_thr] for c in columns) for i, columns in rows.items()}


def _voted(rows: Rows) -> TrackHistory:
    """A history that knows all classes of the tracks from the first frame on."""
    history = TrackHistory()
    for _, ids, labels, _ in rows.values():
        history.vote(ids, labels)
    return history


def _paired(
    stored: StoredVideo, rows: Rows
) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]]:
    """Frames with the columns of their tracks; refused after the last if tracks are left."""
    nothing = (np.zeros((0, 4)), *(np.zeros(0, np.int64),) * 2, np.zeros(0))
    count = 0
    for count, frame in enumerate(stored.frames, start=1):
        yield frame, rows.get(count - 1, nothing)
    if last := [index for index in stored.rows if index >= count]:
        raise InputError(
            f"There are tracks in frame {max(last)}, but only {count} frames (from 0): these "
            "are not the frames that were tracked."
        )


def _arrays(rows: dict[int, list[tuple]]) -> Rows:
    """Columns of rows (box, id, label, score) by frame."""
    return {
        index: (
            np.array([row[0] for row in own], dtype=np.float64).reshape(-1, 4),
            np.array([row[1] for row in own], dtype=np.int64),
            np.array([row[2] for row in own], dtype=np.int64),
            np.array([row[3] for row in own], dtype=np.float64),
        )
        for index, own in rows.items()
    }


def _own(path: Path, source: str | Path | None) -> StoredVideo:
    content = read_json(path)
    if not isinstance(content, dict) or not {"frames", "classes"} <= content.keys():
        raise InputError(
            f"'{path}' does not come from 'vovtrack track --json'. Of TAO results give --gt, too."
        )
    names, video = content["classes"], content.get("video", "")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"'{path}': 'classes' is not a list of names.")
    if source is None and (not isinstance(video, str) or "://" in video):
        raise InputError(f"'{path}' names no file of this machine as its video: give --frames.")
    rows: dict[int, list[tuple]] = defaultdict(list)
    try:
        for frame in content["frames"]:
            for found in frame["tracks"]:
                rows[frame["frame_id"]].append(
                    (found["bbox"], found["track_id"], names.index(found["class"]), found["score"])
                )
        columns = _arrays(rows)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"'{path}': a track lacks or misnames {error}.") from None
    frames = read_video(source or video)
    return StoredVideo(columns, names, frames, frames.fps)


def _mot(path: Path, source: str | Path | None, classes: Sequence[str]) -> StoredVideo:
    if source is None:
        raise InputError(f"'{path}' does not name its frames: give --frames.")
    frames = read_video(source)
    vocabulary = Vocabulary.from_names(classes) if classes else None
    try:
        tracks = read_sequence(path, frames.width, frames.height, vocabulary=vocabulary)
    except InputError as error:
        hint = "" if classes else " If it is the class, name the classes by --classes."
        raise InputError(f"{error}{hint}") from None
    rows = {
        int(index): tuple(
            column[tracks.frame_ids == index]
            for column in (tracks.bboxes, tracks.track_ids, tracks.labels, tracks.scores)
        )
        for index in np.unique(tracks.frame_ids)
    }
    return StoredVideo(rows, tracks.vocabulary.names, frames, frames.fps)


def _tao(path: Path, root: Path, ann_file: Path, video: str | None) -> StoredVideo:
    annotations = read_annotations(ann_file)
    videos = [v for v in annotations["videos"] if video in (None, v.get("name"), str(v["id"]))]
    if len(videos) != 1:
        known = ", ".join(v.get("name", str(v["id"])) for v in annotations["videos"][:5])
        raise InputError(f"--video must name one video of '{ann_file}', for example {known}.")
    images = [image for image in annotations["images"] if image["video_id"] == videos[0]["id"]]
    images.sort(key=lambda image: image["frame_index"])
    places = {image["id"]: index for index, image in enumerate(images)}
    vocabulary = Vocabulary.load(ann_file)
    found = read_results(path)
    rows: dict[int, list[tuple]] = defaultdict(list)
    for row in np.flatnonzero(np.isin(found.image_ids, list(places))).tolist():
        x, y, w, h = found.bboxes[row]
        label = vocabulary.label_of(int(found.category_ids[row]))
        rows[places[int(found.image_ids[row])]].append(
            ((x, y, x + w, y + h), found.track_ids[row], label, found.scores[row])
        )
    files = [root / image["file_name"] for image in images]
    return StoredVideo(_arrays(rows), vocabulary.names, _pictures(files), None)


def _pictures(files: Sequence[Path]) -> Iterator[np.ndarray]:
    for path in files:
        yield np.ascontiguousarray(read_image(path)[..., ::-1])
