"""The kinds of scenes a world is made of, and how one scene becomes files and records."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vovtrack.files.atomic import create
from vovtrack.files.images import encode_image
from vovtrack.synthetic.classes import compositions
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.scene import Scene, SceneRecipe
from vovtrack.synthetic.sizes import WorldSize
from vovtrack.synthetic.states import measures_of
from vovtrack.synthetic.truth import FrameTruth

SECTIONS = (
    "lvis_train",
    "lvis_val",
    "pairs_train",
    "tao_train",
    "tao_validation",
    "raw",
    "tao_shifted",
    "tao_validation_2",
    "tao_validation_3",
)
"""The scenes of a section depend on its position here: append, do not insert."""
EVALUATION = ("tao_validation", "tao_validation_2", "tao_validation_3", "tao_shifted")
"""Sections of videos to measure trackers on; all but the last are drawn alike."""
NOVEL_SHARE = 0.4
_SOURCE = "MiniWorld"
_STILL_FRAMES = 3  # the one in the middle is taken, so that stills are blurred too
_PAIR_FRAMES = 13
_PAIR_GAP = (4, 12)
_JPEG_QUALITY = 92


@dataclass(frozen=True)
class ObjectRecord:
    """One annotated object in one frame.

    Attributes:
        object: Position of the object in its scene; the same object keeps it in all frames.
        label: Class label.
        bbox: (x, y, width, height) of the pixels seen, image pixels.
        area: Number of pixels seen.
        segmentation: Polygons [x1, y1, x2, y2, ...] around the pixels seen; empty unless asked.
        measures: How it is seen; see `vovtrack.synthetic.states`.
    """

    object: int
    label: int
    bbox: list[float]
    area: int
    segmentation: list[list[float]]
    measures: dict[str, float]


@dataclass(frozen=True)
class FrameRecord:
    """One annotated image: path relative to the section's image folder, frame, and its objects."""

    file_name: str
    frame: int
    objects: list[ObjectRecord]


@dataclass(frozen=True)
class SceneRecord:
    """What a worker hands back for one scene.

    Attributes:
        frames: The annotated frames, in time order.
        negative: Labels verified to be absent (a random half of the absent ones).
        not_exhaustive: Labels of which some object is seen in part but never annotated.
    """

    frames: list[FrameRecord] = field(default_factory=list)
    negative: list[int] = field(default_factory=list)
    not_exhaustive: list[int] = field(default_factory=list)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> SceneRecord:
        """Return the record of which ``content`` is what `dataclasses.asdict` gives."""
        frames = [
            FrameRecord(**frame | {"objects": [ObjectRecord(**o) for o in frame["objects"]]})
            for frame in content["frames"]
        ]
        return cls(**content | {"frames": frames})


@dataclass(frozen=True)
class Job:
    """One scene of one section; everything a worker needs.

    Attributes:
        section: One of `SECTIONS`.
        index: Which scene of the section.
        seed: The world's seed.
        root: Folder the world is written to.
        size: The world's size.
        dials: Difficulties of the world.
    """

    section: str
    index: int
    seed: int
    root: Path
    size: WorldSize
    dials: Dials = field(default_factory=Dials)

    @property
    def key(self) -> str:
        """Name of the scene in its world."""
        return f"{self.section}/{self.index}"

    @property
    def files(self) -> list[str]:
        """Its images, relative to ``root``."""
        return [f"{image_folder(self.section)}/{name}" for name in _image_names(self)]


def scene_count(section: str, size: WorldSize) -> int:
    """Return how many scenes a section has."""
    return {
        "lvis_train": size.train_stills,
        "lvis_val": size.val_stills,
        "pairs_train": size.pairs,
        "tao_train": size.train_videos,
        "tao_validation": size.val_videos,
        "raw": size.raw_clips,
        "tao_shifted": size.shifted_videos,
        "tao_validation_2": size.more_val_videos,
        "tao_validation_3": size.more_val_videos,
    }[section]


def image_folder(section: str) -> str:
    """Return the folder that file names of a section are relative to, relative to the world."""
    return {"lvis": "lvis/images", "pairs": "pairs/images", "tao": "tao/frames", "raw": "raw"}[
        section.split("_")[0]
    ]


def video_name(section: str, index: int) -> str:
    """Return the name of a clip, which is also its folder below `image_folder`."""
    split = section.removeprefix("tao_").replace("validation", "val")
    return f"{'' if section == 'raw' else split + '/'}{_SOURCE}/v_{index + 1:04d}"


def scene_rng(seed: int, section: str, index: int) -> np.random.Generator:
    """Return the generator of one scene; it depends on nothing but the three arguments."""
    key = (SECTIONS.index(section), index)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def recipe_of(section: str, size: WorldSize, dials: Dials) -> SceneRecipe:
    """Return what the scenes of a section are made of."""
    recipe = partial(SceneRecipe, width=size.width, height=size.height, dials=dials)
    if section == "lvis_train":
        return recipe(num_frames=_STILL_FRAMES)
    if section == "lvis_val":
        return recipe(num_frames=_STILL_FRAMES, novel_share=NOVEL_SHARE)
    if section == "pairs_train":
        return recipe(num_frames=_PAIR_FRAMES, lookalikes=0.4)
    crowded = partial(recipe, min_objects=5, max_objects=8, lookalikes=0.45)
    if section == "tao_train":
        return crowded(num_frames=size.video_frames)
    if section in EVALUATION:
        shifted = section == "tao_shifted"
        return crowded(num_frames=size.video_frames, novel_share=NOVEL_SHARE, shifted=shifted)
    return crowded(num_frames=size.raw_frames, novel_share=NOVEL_SHARE / 2, shifted=True)


def write_scene(job: Job) -> SceneRecord:
    """Render one scene, write its images below ``job.root`` and return its annotations."""
    rng = scene_rng(job.seed, job.section, job.index)
    scene = Scene(rng, recipe_of(job.section, job.size, job.dials))
    written, annotated = frames_of(job, rng)
    folder = job.root / image_folder(job.section)
    frames: list[FrameRecord] = []
    glimpsed: set[int] = set()
    for file_name, frame in zip(_image_names(job), written, strict=True):
        image, truth = scene.render(frame)
        create(folder / file_name, encode_image(image, ".jpg", _JPEG_QUALITY))
        if frame in annotated:
            polygons = not job.section.startswith("tao")
            frames.append(FrameRecord(file_name, frame, _objects(scene, truth, polygons)))
            hidden = np.setdiff1d(np.flatnonzero(truth.areas), truth.annotated)
            glimpsed |= set(scene.labels[hidden].tolist())
    annotated_labels = {item.label for record in frames for item in record.objects}
    negative = _negative(rng, job.section, set(scene.labels.tolist()))
    return SceneRecord(frames, negative, sorted(glimpsed - annotated_labels))


def frames_of(job: Job, rng: np.random.Generator) -> tuple[list[int], set[int]]:
    """Return the frames of a scene to write and those to annotate.

    Args:
        job: The scene.
        rng: Its generator, after the scene was drawn from it.
    """
    if job.section.startswith("lvis"):
        return [_STILL_FRAMES // 2], {_STILL_FRAMES // 2}
    if job.section.startswith("pairs"):
        frames = [0, int(rng.integers(_PAIR_GAP[0], _PAIR_GAP[1] + 1))]
        return frames, set(frames)
    if job.section.startswith("tao"):
        return list(range(job.size.video_frames)), set(
            range(0, job.size.video_frames, job.size.stride)
        )
    return list(range(job.size.raw_frames)), set()


def _image_names(job: Job) -> list[str]:
    """Return the names of the images of a scene in time order, relative to `image_folder`."""
    if job.section.startswith("lvis"):
        return [f"{job.section.split('_')[1]}/{job.index + 1:06d}.jpg"]
    if job.section.startswith("pairs"):
        return [f"train/{job.index + 1:06d}/{position}.jpg" for position in range(2)]
    frames = job.size.raw_frames if job.section == "raw" else job.size.video_frames
    video = video_name(job.section, job.index)
    return [f"{video}/frame{frame + 1:04d}.jpg" for frame in range(frames)]


def _negative(rng: np.random.Generator, section: str, present: set[int]) -> list[int]:
    """Draw half of the absent classes; training data does not even name novel classes."""
    train = section.endswith("_train")
    absent = [
        label
        for label, c in enumerate(compositions())
        if label not in present and not (train and c.novel)
    ]
    return sorted(int(label) for label in rng.choice(absent, len(absent) // 2, replace=False))


def _objects(scene: Scene, truth: FrameTruth, polygons: bool) -> list[ObjectRecord]:
    records = []
    for item in truth.annotated.tolist():
        x1, y1, x2, y2 = truth.bboxes[item].tolist()
        records.append(
            ObjectRecord(
                object=item,
                label=int(scene.labels[item]),
                bbox=[x1, y1, x2 - x1, y2 - y1],
                area=int(truth.areas[item]),
                segmentation=mask_polygons(truth.mask(item)) if polygons else [],
                measures=measures_of(truth, item),
            )
        )
    return records


def mask_polygons(mask: np.ndarray) -> list[list[float]]:
    """Trace a mask, (height, width) bool, as LVIS polygons [x1, y1, x2, y2, ...], image pixels."""
    doubled = np.kron(mask.astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # In the doubled mask a border pixel's centre lies a quarter pixel inside the true edge.
    outlines = [(contour[:, 0].astype(float) + 0.5) / 2 for contour in contours]
    return [np.round(o, 2).ravel().tolist() for o in outlines if len(o) >= 4]
