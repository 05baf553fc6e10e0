"""Boxes without pictures: annotations and results of the size of TAO, to measure evaluation with.

Nothing is rendered. Videos have 36 annotated frames, about five objects and about 75 predicted
boxes per frame in up to 300 tracks; some 300 of 1203 classes occur, an eighth of them novel. A
video is a function of its number and the seed, so a small set is the beginning of a larger one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.formats.tao.writer import TaoResultWriter
from vovtrack.structures import Vocabulary

_SIZES = ((1280, 720), (640, 480), (1920, 1080))
_STRIDE = 30  # frames of the video between two annotated ones


@dataclass(frozen=True)
class BoxStatistics:
    """How crowded the videos are.

    Attributes:
        frames: Annotated frames per video.
        objects: Mean number of annotated tracks per video.
        boxes_per_frame: Mean number of predictions per frame.
        max_tracks: Largest number of predicted tracks per video.
        classes: Classes that may occur.
    """

    frames: int = 36
    objects: float = 5.0
    boxes_per_frame: float = 75.0
    max_tracks: int = 300
    classes: int = 300


def write_boxes(
    out: str | Path,
    videos: int,
    seed: int = 0,
    statistics: BoxStatistics | None = None,
    force: bool = False,
) -> dict[str, int]:
    """Write ``gt.json`` (TAO annotations) and ``pred.json`` (TAO results, with its columns).

    Args:
        out: Folder.
        videos: Number of videos.
        seed: Seed of everything.
        statistics: How crowded the videos are.
        force: Replace files that are there.

    Returns:
        Numbers of videos, images, annotated and predicted boxes.

    Raises:
        InputError: The files exist already, ``videos`` is not positive, or ``seed`` is negative.
    """
    out = Path(out)
    if videos < 1:
        raise InputError(f"--videos {videos}: expected at least 1.")
    if seed < 0:
        raise InputError(f"The seed is {seed}: expected 0 or more.")
    if not force and (out / "gt.json").exists():
        raise InputError(f"{out}: 'gt.json' is already there. Choose another folder or --force.")
    statistics = statistics or BoxStatistics()
    vocabulary = Vocabulary.load("lvis_v1")
    active = _active_classes(vocabulary, statistics.classes, seed)
    content: dict[str, Any] = {"videos": [], "images": [], "tracks": [], "annotations": []}
    predicted = 0
    with TaoResultWriter(out / "pred.json", run=f"boxes only, seed {seed}") as writer:
        for number in range(videos):
            rng = np.random.default_rng([seed, number])
            scene = _Scene(rng, number, statistics, active, len(vocabulary))
            _annotate(content, scene)
            rows = scene.predictions()
            predicted += len(rows)
            writer.write_video(scene.video_id, rows)
    content["categories"] = [
        {"id": i, "name": name, "frequency": "r" if novel else "f"}
        for i, name, novel in zip(
            vocabulary.category_ids, vocabulary.names, vocabulary.novel, strict=True
        )
    ]
    with atomic_write(out / "gt.json") as file:
        json.dump(content, file)
    counts = {name: len(content[name]) for name in ("videos", "images", "annotations")}
    return {**counts, "predictions": predicted}


def _active_classes(vocabulary: Vocabulary, count: int, seed: int) -> np.ndarray:
    """Category ids that may occur, an eighth of them novel, the most frequent first."""
    rng = np.random.default_rng([seed, len(vocabulary)])
    ids, novel = np.array(vocabulary.category_ids), vocabulary.novel
    rare = rng.choice(ids[novel], count // 8, replace=False)
    return np.append(rng.choice(ids[~novel], count - len(rare), replace=False), rare)


class _Scene:
    """One video: its objects and what a tracker makes of them."""

    def __init__(
        self,
        rng: np.random.Generator,
        number: int,
        statistics: BoxStatistics,
        active: np.ndarray,
        num_classes: int,
    ) -> None:
        self.rng, self.statistics = rng, statistics
        self.active, self.num_classes = active, num_classes
        self.video_id = number + 1
        self.width, self.height = _SIZES[rng.integers(len(_SIZES))]
        self.frames = statistics.frames
        chance = 1 / (np.arange(len(active)) + 1.5)
        kinds = rng.choice(active, 1 + rng.poisson(1.3), p=chance / chance.sum())
        kinds[0] = active[number % len(active)]
        count = max(1, rng.poisson(statistics.objects))
        shortest = max(2, self.frames // 4)
        self.objects = [
            self._track(int(rng.choice(kinds)), int(rng.integers(shortest, self.frames + 1)))
            for _ in range(count)
        ]

    def image_id(self, frame: int) -> int:
        return self.video_id * 1000 + frame

    def _track(self, category: int, length: int) -> tuple[int, np.ndarray, np.ndarray]:
        """A drifting, swaying, breathing box: category, frames (n,), boxes (n, 4) xywh."""
        rng = self.rng
        frames = int(rng.integers(0, self.frames - length + 1)) + np.arange(length)
        side = np.exp(rng.uniform(np.log(25), np.log(self.height / 2)))
        shape = np.array([side * np.exp(rng.normal(0, 0.4)), side])
        sizes = np.maximum(4, shape * np.exp(np.cumsum(rng.normal(0, 0.03, length)))[:, None])
        extent = np.array([self.width, self.height])
        steps = np.arange(length)[:, None]
        centres = extent * (
            rng.uniform(0.15, 0.85, 2)
            + rng.normal(0, 0.006, 2) * steps
            + 0.02 * np.sin(steps / rng.uniform(3, 9, 2) + rng.uniform(0, 6, 2))
        )
        boxes = np.hstack([centres - sizes / 2, sizes])
        boxes[:, :2] = np.clip(boxes[:, :2], 0, extent - 5)
        return category, frames, np.round(boxes)

    def predictions(self) -> list[dict]:
        """Rows of a tracker that misses, doubles, breaks and misnames objects, and sees ghosts."""
        tracks = [piece for target in self.objects for piece in self._copies(*target)]
        wanted = self.statistics.boxes_per_frame * self.frames * self.rng.uniform(0.7, 1.3)
        wanted -= sum(len(frames) for _, frames, _ in tracks)
        mean = wanted / max(1, self.statistics.max_tracks - len(tracks))
        longest = int(np.clip(2 * mean, 3, self.frames))
        while len(tracks) < self.statistics.max_tracks and wanted > 0:
            ghost = self._track(self._any_class(), int(self.rng.integers(2, longest + 1)))
            tracks.append((*ghost[:2], self._shake(ghost[2], 0.03)))
            wanted -= len(ghost[1])
        rows = [
            (int(frame), track, category, box)
            for track, (category, frames, boxes) in enumerate(tracks)
            for frame, box in zip(frames, boxes.round(2).tolist(), strict=True)
        ]
        rows.sort(key=lambda row: row[:2])
        scores = self.rng.beta(1.5, 3, len(rows)).round(4).tolist()
        return [
            {
                "image_id": self.image_id(frame),
                "category_id": category,
                "bbox": box,
                "score": score,
                "track_id": track,
                "video_id": self.video_id,
            }
            for (frame, track, category, box), score in zip(rows, scores, strict=True)
        ]

    def _copies(
        self, category: int, frames: np.ndarray, boxes: np.ndarray
    ) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Up to four noisy, broken tracks of one object; the first is the best."""
        pieces = []
        for copy in range(1 + int(self.rng.integers(0, 4))):
            seen = np.flatnonzero(self.rng.random(len(frames)) > (0.2 if copy == 0 else 0.5))
            breaks = self.rng.random(len(seen)) < (0.05 if copy == 0 else 0.12)
            for part in np.split(seen, np.flatnonzero(breaks)):
                right = self.rng.random() < (0.55 if copy == 0 else 0.15)
                noise = self.rng.uniform(0.02, 0.12 if copy == 0 else 0.25)
                called = category if right else self._any_class()
                if len(part):
                    pieces.append((called, frames[part], self._shake(boxes[part], noise)))
        return pieces

    def _any_class(self) -> int:
        known = self.rng.random() < 0.7
        return int(
            self.rng.choice(self.active) if known else self.rng.integers(self.num_classes) + 1
        )

    def _shake(self, boxes: np.ndarray, noise: float) -> np.ndarray:
        """Move and scale boxes by a part of their size."""
        change = self.rng.normal(0, noise, boxes.shape)
        sizes = boxes[:, 2:] * np.exp(change[:, 2:])
        centres = boxes[:, :2] + boxes[:, 2:] * (0.5 + change[:, :2])
        return np.hstack([centres - sizes / 2, sizes])


def _annotate(content: dict[str, Any], scene: _Scene) -> None:
    """Add a video and its ground truth."""
    present = {category for category, *_ in scene.objects}
    absent = [int(c) for c in scene.rng.choice(scene.active, 6) if int(c) not in present]
    video = {
        "id": scene.video_id,
        "name": f"val/boxes/{scene.video_id:05d}",
        "width": scene.width,
        "height": scene.height,
        "neg_category_ids": sorted(set(absent)),
        "not_exhaustive_category_ids": sorted(c for c in present if scene.rng.random() < 0.2),
        "metadata": {"dataset": "boxes"},
    }
    content["videos"].append(video)
    content["images"] += [
        {
            "id": scene.image_id(t),
            "video_id": scene.video_id,
            "width": scene.width,
            "height": scene.height,
            "frame_index": _STRIDE * t,
            "frame_id": t,
            "file_name": f"{video['name']}/frame{_STRIDE * t:05d}.jpg",
        }
        for t in range(scene.frames)
    ]
    for category, frames, boxes in scene.objects:
        track = {"id": len(content["tracks"]) + 1, "category_id": category}
        content["tracks"].append({**track, "video_id": scene.video_id})
        for frame, box in zip(frames.tolist(), boxes.tolist(), strict=True):
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": scene.image_id(frame),
                    "track_id": track["id"],
                    "category_id": category,
                    "video_id": scene.video_id,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
