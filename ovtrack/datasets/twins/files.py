"""A dataset of pairs from a dataset of stills: twins are drawn, written and annotated.

The result is a CocoVID file with each still as a video of one frame, and each still that shows an
object large enough once more as a video of two frames, itself and its twin.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ovtrack.datasets.twins.drawing import TwinRecipe, make_twin, outline
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256
from vovtrack.files.images import read_image, write_image
from vovtrack.files.long_jobs import in_processes, journal, read_journal
from vovtrack.formats.coco import images_of, read_annotations, require_files
from vovtrack.structures.vocabulary import from_categories

ANNOTATIONS, IMAGES, MANIFEST = "annotations.json", "twins", "twins.jsonl"


@dataclass(frozen=True)
class TwinJob:
    """One twin to make; everything a worker needs.

    Attributes:
        path: The still.
        size: Its (width, height) by the annotation.
        instances: Its objects that are large enough, with ``bbox`` and perhaps ``mask``.
        out: JPEG file to write.
        seed: Of this twin.
        recipe: What to draw from.
        other: Image to put around the objects.
    """

    path: str
    size: tuple[int, int]
    instances: list[dict]
    out: Path
    seed: tuple[int, ...]
    recipe: TwinRecipe
    other: str


def prepare_pairs(
    ann_file: str | Path,
    images: str | Path,
    out: str | Path,
    recipe: TwinRecipe | None = None,
    repeats: int = 1,
    seed: int = 0,
    workers: int | None = None,
    all_classes: bool = False,
    progress: bool = False,
) -> dict[str, int]:
    """Make a twin of each still and write ``annotations.json`` and the folder ``twins``.

    A killed run resumes where it stopped: finished twins are listed in ``twins.jsonl``. The
    result depends on the arguments alone, not on interruptions or the number of workers.

    Args:
        ann_file: LVIS or COCO annotations of the stills, with masks or boxes only.
        images: Folder of the stills.
        out: Folder to write.
        recipe: How twins are drawn.
        repeats: Twins per still.
        seed: Seed of the draws, >= 0.
        workers: Processes to use; None takes one per CPU.
        all_classes: Keep novel classes (frequency "r"), which open-vocabulary training must not
            see.
        progress: Show rate and remaining time on stderr.

    Returns:
        Counts: stills, twins, annotations, and stills ``without_twin``.

    Raises:
        InputError: Broken annotations, an image that is missing, unreadable or of another size, an
            argument out of range, or an ``out`` that was begun with other arguments.
    """
    recipe, out = recipe or TwinRecipe(), Path(out)
    workers = (os.cpu_count() or 1) if workers is None else workers
    for name, value, least in (("seed", seed, 0), ("repeats", repeats, 1), ("workers", workers, 1)):
        if value < least:
            raise InputError(f"{name} must be {least} or more, not {value}.")
    stills, categories = _read_stills(ann_file, images, all_classes)
    settings = dict(
        annotations=file_sha256(ann_file),
        **dict(recipe=asdict(recipe), repeats=repeats, seed=seed, all_classes=all_classes),
    )
    jobs = _plan(stills, out / IMAGES, recipe, repeats, seed)
    done = _run(jobs, out / MANIFEST, settings, workers, progress)
    content = _annotate(stills, done, categories, recipe.min_area, repeats)
    with atomic_write(out / ANNOTATIONS) as file:
        json.dump(content, file, separators=(",", ":"))
    twins = sum(any(boxes) for boxes in done.values())
    return dict(
        stills=len(stills),
        twins=twins,
        annotations=len(content["annotations"]),
        without_twin=sum(
            not any(any(done.get(_twin_name(still, r), ())) for r in range(repeats))
            for still in stills
        ),
    )


def _read_stills(
    ann_file: str | Path, images: str | Path, all_classes: bool
) -> tuple[list[dict], list[dict]]:
    """Images with an object, each with ``path`` and ``instances`` to follow, and categories."""
    content = read_annotations(ann_file)
    vocabulary = from_categories(content["categories"], str(ann_file))
    hidden = set() if all_classes else set(vocabulary.novel.nonzero()[0].tolist())
    stills = []
    for image in images_of(content, vocabulary, ann_file):
        instances = [
            dict(i, category_id=vocabulary.category_ids[i["bbox_label"]])
            for i in image["instances"]
            if not i["ignore_flag"] and i["bbox_label"] not in hidden
        ]
        if instances:
            path = os.path.join(images, image["file_name"])
            stills.append(dict(image, path=path, instances=instances))
    if not stills:
        raise InputError(
            f"'{ann_file}' has no image with an object"
            + (" of a base class; --all takes novel ones too." if hidden else ".")
        )
    stems = Counter(Path(still["file_name"]).stem for still in stills)
    name, times = stems.most_common(1)[0]
    if times > 1:
        raise InputError(f"'{ann_file}' has {times} images named '{name}': twins need a name each.")
    require_files([still["path"] for still in stills], str(ann_file))
    shown = {i["category_id"] for still in stills for i in still["instances"]}
    return stills, [
        category
        for label, category in enumerate(content["categories"])
        if label not in hidden or category["id"] in shown
    ]


def _twin_name(still: dict, repeat: int) -> str:
    return f"{Path(still['file_name']).stem}_v{repeat}.jpg"


def _large(still: dict, min_area: float) -> list[int]:
    """Positions of the objects whose box has more than ``min_area`` pixels."""
    boxes = np.array([instance["bbox"] for instance in still["instances"]])
    return np.flatnonzero(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) > min_area).tolist()


def _plan(
    stills: list[dict], folder: Path, recipe: TwinRecipe, repeats: int, seed: int
) -> list[TwinJob]:
    jobs = []
    for number, still in enumerate(stills):
        large = _large(still, recipe.min_area)
        for repeat in range(repeats if large else 0):
            key = (seed, number, repeat)
            other = stills[np.random.default_rng((*key, 1)).integers(len(stills))]
            jobs.append(
                TwinJob(
                    path=still["path"],
                    size=(still["width"], still["height"]),
                    instances=[still["instances"][position] for position in large],
                    out=folder / _twin_name(still, repeat),
                    seed=key,
                    recipe=recipe,
                    other=other["path"],
                )
            )
    return jobs


def _run(
    jobs: list[TwinJob], manifest: Path, settings: dict, workers: int, progress: bool
) -> dict[str, list]:
    """Make the twins that are not done yet; name -> box of each object followed, or None."""
    done = dict(read_journal(manifest, settings))
    done = {job.out.name: done[job.out.name] for job in jobs if _is_done(job, done)}
    left = [job for job in jobs if job.out.name not in done]
    bar = tqdm(total=len(jobs), initial=len(done), unit="twin", desc="twins", disable=not progress)
    with journal(manifest, settings, done.items()) as add, bar:
        for job, boxes in zip(left, in_processes(write_twin, left, workers, chunk=4), strict=True):
            add([job.out.name, boxes])
            done[job.out.name] = boxes
            bar.update()
    return done


def _is_done(job: TwinJob, done: dict[str, list]) -> bool:
    name = job.out.name
    return name in done and (job.out.is_file() or not any(done[name]))


def write_twin(job: TwinJob) -> list[list[float] | None]:
    """Make one twin and write its JPEG file.

    Returns:
        Box [x, y, w, h] of each object in the twin, None where it is not seen; no file is written
        if none is.

    Raises:
        InputError: An image cannot be read or has another size than its annotation says.
    """
    image = read_image(job.path)
    width, height = job.size
    if image.shape[:2] != (height, width):
        raise InputError(
            f"Image '{job.path}' has {image.shape[1]}x{image.shape[0]} pixels, its annotation says "
            f"{width}x{height}: use the images the annotation was made for."
        )
    other = read_image(job.other) if job.recipe.background == "other" else None
    outlines = [outline(instance, width, height) for instance in job.instances]
    made = make_twin(image, outlines, job.recipe, np.random.default_rng(job.seed), other)
    if made is None:
        return [None] * len(outlines)
    twin, boxes = made
    write_image(job.out, twin[..., ::-1])
    return boxes


def _annotate(
    stills: list[dict], done: dict[str, list], categories: list[dict], min_area: float, repeats: int
) -> dict[str, list]:
    """CocoVID content: stills as videos of one frame, then stills with a twin as videos of two."""
    content = dict(videos=[], images=[], annotations=[], categories=categories)
    tracks = 0
    for still in stills:
        instances = still["instances"]
        frame = [(i, _xywh(i["bbox"]), tracks + n) for n, i in enumerate(instances)]
        _add_video(content, still, {still["file_name"]: frame})
        tracks += len(instances)
    for still in stills:
        followed = [still["instances"][position] for position in _large(still, min_area)]
        for name in (_twin_name(still, repeat) for repeat in range(repeats)):
            boxes = done.get(name, ())
            if not any(boxes):
                continue
            own = [(i, _xywh(i["bbox"]), tracks + n) for n, i in enumerate(followed)]
            twin = [
                (i, box, tracks + n)
                for n, (i, box) in enumerate(zip(followed, boxes, strict=True))
                if box is not None
            ]
            _add_video(content, still, {still["file_name"]: own, name: twin})
            tracks += len(followed)
    return content


def _xywh(bbox: list[float]) -> list[float]:
    x1, y1, x2, y2 = bbox
    return [x1, y1, x2 - x1, y2 - y1]


def _add_video(content: dict, still: dict, frames: dict[str, list[tuple]]) -> None:
    size = dict(width=still["width"], height=still["height"])
    video_id = len(content["videos"]) + 1
    name = Path(list(frames)[-1]).stem
    content["videos"].append(dict(id=video_id, name=name, **size))
    for frame_id, (file_name, objects) in enumerate(frames.items()):
        image_id = len(content["images"]) + 1
        place = dict(video_id=video_id, frame_id=frame_id)
        content["images"].append(dict(id=image_id, file_name=file_name, **size, **place))
        for instance, bbox, track in objects:
            content["annotations"].append(
                dict(
                    id=len(content["annotations"]) + 1,
                    image_id=image_id,
                    video_id=video_id,
                    category_id=instance["category_id"],
                    bbox=bbox,
                    area=bbox[2] * bbox[3],
                    iscrowd=0,
                    instance_id=track,
                    track_id=track,
                )
            )
