"""Observations: what a detector saw in each frame, kept so that any tracker can be run on it.

A store is a folder. ``observations.json`` says what it is bound to: the run, the classes, the
annotation file. ``<video id>.safetensors`` holds the detections of one video, complete or absent;
its metadata carries a hash over its arrays, so that a changed or damaged file is found.

Arrays of a video with F frames and N detections, in order of time: ``image_ids`` (F,), ``counts``
(F,) detections of each frame, ``bboxes`` (N, 4) float32 xyxy in pixels of the original image,
``scores`` (N,) float32, ``labels`` (N,) int64, ``embeds`` (N, D) float32, ``top_scores`` and
``top_labels`` (N, K), the class probabilities of each region, largest first; and ``cls_embeds``
(N, E) float32, the class embedding of each region, if the tracker of the recording asked for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.files.atomic import atomic_write
from vovtrack.structures import Vocabulary
from vovtrack.structures.thresholds import ScoreThresholds

HEADER = "observations.json"
KEY = "observations"
"""Entry of a file's metadata."""
SCHEMA = 2
OPTIONAL = ("cls_embeds", "top_scores", "top_labels")
PER_DETECTION = ("bboxes", "scores", "labels", "embeds", *OPTIONAL)
"""Arrays with a row per detection."""
REQUIRED = ("image_ids", "counts", "bboxes", "scores", "labels", "embeds")


@dataclass(frozen=True)
class ObservationHeader:
    """What a store is bound to.

    Attributes:
        run: What produced it (checkpoint, config, data), any text.
        names: Class names; labels are positions in them.
        category_ids: Dataset id of each class.
        novel: Which classes are novel.
        ann_file: Annotation file of the videos.
        annotations_sha256: Its hash.
        evaluator: What evaluates the tracks of these videos, as a config names it without its
            paths; None for TAO.
        schema: Version of the layout.
    """

    run: str
    names: tuple[str, ...]
    category_ids: tuple[int, ...]
    novel: tuple[bool, ...]
    ann_file: str
    annotations_sha256: str
    evaluator: dict[str, Any] | None = None
    schema: int = SCHEMA

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes of the labels."""
        return Vocabulary(self.names, self.category_ids, np.array(self.novel, dtype=bool))


@dataclass(frozen=True)
class VideoObservations:
    """The detections of one video.

    Attributes:
        video_id: Id in the annotation file.
        arrays: See the head of this module.
        thresholds: What the model says of its scores.
    """

    video_id: int
    arrays: Mapping[str, NDArray[Any]]
    thresholds: ScoreThresholds = ScoreThresholds()

    @property
    def content_sha256(self) -> str:
        """Hash of all arrays with their names, types and shapes, and of the thresholds."""
        digest = hashlib.sha256(json.dumps(self.thresholds._asdict()).encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
            digest.update(array.data)
        return digest.hexdigest()

    def best(self, count: int) -> VideoObservations:
        """The same with at most ``count`` detections of each frame; they are stored best first."""
        none = np.zeros(0, dtype=bool)
        kept = np.concatenate([none, *(np.arange(n) < count for n in self.arrays["counts"])])
        arrays = {
            name: array[kept] if name in PER_DETECTION else array
            for name, array in self.arrays.items()
        }
        arrays["counts"] = np.minimum(arrays["counts"], count)
        return VideoObservations(self.video_id, arrays, self.thresholds)

    def frames(self) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
        """Image id and detections of each frame, in order of time."""
        ends = np.cumsum(self.arrays["counts"])
        for image_id, count, end in zip(
            self.arrays["image_ids"].tolist(), self.arrays["counts"], ends, strict=True
        ):
            rows = slice(end - count, end)
            yield image_id, {n: self.arrays[n][rows] for n in PER_DETECTION if n in self.arrays}


class ObservationStore:
    """A folder of observations.

    Args:
        folder: The folder.

    Raises:
        InputError: There is no store, or its header is damaged or of another version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.header = _read_header(self.folder)

    @classmethod
    def start(cls, folder: str | Path, header: ObservationHeader) -> ObservationStore:
        """Begin a store, or continue one of the same run.

        Raises:
            InputError: The folder holds the observations of another run.
        """
        path = Path(folder) / HEADER
        if not path.exists():
            with atomic_write(path) as file:
                json.dump(asdict(header), file, indent=1)
        elif _read_header(Path(folder)) != header:
            raise InputError(
                f"'{folder}' holds the observations of another run, annotation file or "
                "vocabulary: choose another folder, or delete this one."
            )
        return cls(folder)

    @property
    def videos(self) -> tuple[int, ...]:
        """Ids of the stored videos, ascending."""
        stems = (path.stem for path in self.folder.glob("*.safetensors"))
        return tuple(sorted(int(stem) for stem in stems if stem.isdecimal()))

    @property
    def content_sha256(self) -> str:
        """Hash of what all videos hold, as their files say; :meth:`read` checks each."""
        digest = hashlib.sha256()
        for video_id in self.videos:
            with _opened(self._path(video_id)) as (_, facts):
                digest.update(f"{video_id}\0{facts['content_sha256']}\n".encode())
        return digest.hexdigest()

    def write(self, video: VideoObservations) -> None:
        """Store one video; it replaces what the store had of it."""
        facts = dict(content_sha256=video.content_sha256, thresholds=video.thresholds._asdict())
        # One entry: the library writes several in an order that changes from run to run.
        metadata = {KEY: json.dumps(facts, sort_keys=True)}
        arrays = {name: np.ascontiguousarray(array) for name, array in video.arrays.items()}
        with atomic_write(self._path(video.video_id), "wb") as file:
            file.write(save(arrays, metadata))

    def read(self, video_id: int) -> VideoObservations:
        """Read one video.

        Raises:
            InputError: It is missing, damaged, or not what was written.
        """
        path = self._path(video_id)
        with _opened(path) as (file, facts):
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        missing = [name for name in REQUIRED if name not in arrays]
        if missing:
            raise InputError(
                f"'{path}' has no array '{missing[0]}': record the observations again."
            )
        video = VideoObservations(video_id, arrays, facts["thresholds"])
        if video.content_sha256 != facts["content_sha256"]:
            raise InputError(
                f"'{path}' is not what was written (its hash differs): delete it and run the test "
                "with --observations again, it records what is missing."
            )
        return video

    def _path(self, video_id: int) -> Path:
        return self.folder / f"{video_id}.safetensors"


@contextmanager
def _opened(path: Path) -> Iterator[tuple[safe_open, dict[str, Any]]]:
    """Open the file of a video, with what it says of itself; damage is reported with its name."""
    try:
        file = safe_open(str(path), framework="numpy")
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"'{path}' is missing or damaged ({error}): delete it and run the test with "
            "--observations again, it records what is missing."
        ) from None
    try:
        facts = json.loads((file.metadata() or {})[KEY])
        facts = dict(
            content_sha256=str(facts["content_sha256"]),
            thresholds=ScoreThresholds(
                **{name: float(value) for name, value in facts["thresholds"].items()}
            ),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"'{path}' holds no observations: take it out of the folder.") from None
    yield file, facts


def _read_header(folder: Path) -> ObservationHeader:
    path = folder / HEADER
    if not path.exists():
        raise InputError(
            f"'{folder}' holds no observations (no {HEADER}): record them with 'vovtrack test "
            "CONFIG CHECKPOINT --observations DIR'."
        )
    content = read_json(path)
    try:
        for name in ("names", "category_ids", "novel"):
            content[name] = tuple(content[name])
        header = ObservationHeader(**content)
        if not isinstance(header.evaluator, dict | None):
            raise TypeError("'evaluator' is not an object")
        len(header.vocabulary)  # which refuses names, ids and masks that do not fit
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"'{path}' is damaged ({error}): record the observations again.") from None
    if header.schema != SCHEMA:
        raise InputError(
            f"'{path}' is of version {header.schema!r}, expected {SCHEMA}: record again."
        )
    return header
