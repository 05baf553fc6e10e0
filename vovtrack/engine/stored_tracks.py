"""Drawing tracks that were stored: result files and the frames that they belong to, as a video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vovtrack.datasets.video import read_video
from vovtrack.errors import InputError
from vovtrack.files.images import read_image, write_image
from vovtrack.formats.mot.sequences import read_sequence
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.formats.tao.results import read_results
from vovtrack.formats.track_json import read_content, sequence_of
from vovtrack.structures import Tracks, TrackSequence, Vocabulary
from vovtrack.visualization import DrawnVideo, TrackHistory, draw_tracks


@dataclass(frozen=True)
class StoredVideo:
    """The tracks of one video and its frames.

    Attributes:
        tracks: What was tracked, up to the last frame with a track or longer.
        frames: The frames in order, (H, W, 3) uint8 RGB.
        fps: Frames per second, None if they have no rate.
    """

    tracks: TrackSequence
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
    kept = stored.tracks.select(stored.tracks.scores >= score_thr)
    history, count = _voted(kept), 0
    video = DrawnVideo(out, fps or stored.fps, history=history)
    try:
        for frame, tracks in _paired(stored, kept):
            video.write(frame, tracks)
            count += 1
    except BaseException:
        video.discard()
        raise
    video.finish()
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
    kept = stored.tracks.select(stored.tracks.scores >= score_thr)
    tracked = np.unique(kept.frame_ids)
    if len(tracked) == 0:
        raise InputError(f"There is no track above {score_thr:g}: no picture was written.")
    places = (np.arange(count) + 0.5) * len(tracked) / count
    chosen = set(tracked[places.astype(int)].tolist())
    history, pictures = _voted(kept), []
    for frame, tracks in _paired(stored, kept):
        factor = width / frame.shape[1]
        boxes = tracks.bboxes.astype(np.float64) * factor
        history.move(tracks.track_ids, boxes)
        if tracks.frame_id in chosen:
            size = (width, round(frame.shape[0] * factor))
            large = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)
            found = (boxes, tracks.track_ids, tracks.labels, tracks.scores)
            pictures.append(draw_tracks(large, *found, tracks.names, history))
    pictures += [np.full_like(pictures[0], 255)] * (-len(pictures) % columns)
    rows_of = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    write_image(out, np.concatenate([np.concatenate(row, axis=1) for row in rows_of]))
    return len(chosen), len(history.classes)


def _voted(tracks: TrackSequence) -> TrackHistory:
    """A history that knows all classes of the tracks from the first frame on."""
    history = TrackHistory()
    history.vote(tracks.track_ids, tracks.labels)
    return history


def _paired(stored: StoredVideo, kept: TrackSequence) -> Iterator[tuple[np.ndarray, Tracks]]:
    """Frames with those of their tracks that are kept; refused after the last if some are left."""
    count = 0
    for count, frame in enumerate(stored.frames, start=1):
        yield frame, kept.frame(count - 1)
    if (last := stored.tracks.frame_ids.max(initial=-1)) >= count:
        raise InputError(
            f"There are tracks in frame {last}, but only {count} frames (from 0): these are not "
            "the frames that were tracked."
        )


def _own(path: Path, source: str | Path | None) -> StoredVideo:
    content = read_content(path)
    video = content.get("video", "")
    if source is None and (not isinstance(video, str) or "://" in video):
        raise InputError(f"'{path}' names no file of this machine as its video: give --frames.")
    frames = read_video(source or video)
    tracks = sequence_of(content, path, frames.width, frames.height)
    return StoredVideo(tracks, frames, frames.fps)


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
    return StoredVideo(tracks, frames, frames.fps)


def _tao(path: Path, root: Path, ann_file: Path, video: str | None) -> StoredVideo:
    annotations = read_annotations(ann_file)
    videos = [v for v in annotations["videos"] if video in (None, v.get("name"), str(v["id"]))]
    if len(videos) != 1:
        known = ", ".join(v.get("name", str(v["id"])) for v in annotations["videos"][:5])
        raise InputError(f"--video must name one video of '{ann_file}', for example {known}.")
    images = [image for image in annotations["images"] if image["video_id"] == videos[0]["id"]]
    if not images:
        raise InputError(f"'{ann_file}' has no images of the video {videos[0]['id']}.")
    images.sort(key=lambda image: image["frame_index"])
    places = {image["id"]: index for index, image in enumerate(images)}
    vocabulary = Vocabulary.load(ann_file)
    found = read_results(path)
    rows = np.flatnonzero(np.isin(found.image_ids, list(places)))
    boxes = found.bboxes[rows]
    tracks = TrackSequence(
        name=videos[0].get("name", str(videos[0]["id"])),
        width=images[0]["width"],
        height=images[0]["height"],
        num_frames=len(images),
        frame_ids=np.array([places[int(i)] for i in found.image_ids[rows]], dtype=np.int64),
        bboxes=np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]).astype(np.float32),
        track_ids=found.track_ids[rows],
        labels=np.array(
            [vocabulary.label_of(int(i)) for i in found.category_ids[rows]], dtype=np.int64
        ),
        scores=found.scores[rows].astype(np.float32),
        vocabulary=vocabulary,
    )
    files = [root / image["file_name"] for image in images]
    return StoredVideo(tracks, _pictures(files), None)


def _pictures(files: Sequence[Path]) -> Iterator[np.ndarray]:
    for path in files:
        yield np.ascontiguousarray(read_image(path)[..., ::-1])
