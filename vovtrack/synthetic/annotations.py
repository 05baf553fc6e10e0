"""Annotation files of a mini world: LVIS-style stills, CocoVID pairs and TAO-style video.

Beside the keys of these formats every annotation has those of `vovtrack.synthetic.states.MEASURES`,
which other readers ignore.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from vovtrack.synthetic.classes import compositions
from vovtrack.synthetic.sections import FrameRecord, SceneRecord, video_name
from vovtrack.synthetic.sizes import WorldSize

Json = dict[str, Any]


def categories(train: list[SceneRecord]) -> list[Json]:
    """Return the LVIS-style category list; counts are those of the training stills, as in LVIS."""
    images: dict[int, set[str]] = defaultdict(set)
    instances: dict[int, int] = defaultdict(int)
    for scene in train:
        for frame in scene.frames:
            for item in frame.objects:
                images[item.label].add(frame.file_name)
                instances[item.label] += 1
    return [
        {
            "id": label + 1,
            "name": c.name,
            "synset": f"{c.name.replace(' ', '_')}.n.01",
            "synonyms": [c.name],
            "def": f"a {c.shape} of {c.colour} colour with a {c.pattern} pattern",
            "frequency": c.frequency,
            "image_count": len(images[label]),
            "instance_count": instances[label],
        }
        for label, c in enumerate(compositions())
    ]


def lvis_file(scenes: list[SceneRecord], kinds: list[Json], size: WorldSize) -> Json:
    """Return an LVIS v1 annotation file; `file_name` is relative to ``lvis/images``."""
    images: list[Json] = []
    annotations: list[Json] = []
    for scene in scenes:
        for frame in scene.frames:
            images.append(_image(len(images) + 1, frame, size) | _federated(scene))
            for item in _annotations(frame, len(images), len(annotations)):
                annotations.append(item)
    return {
        "info": _info("stills"),
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": kinds,
    }


def pairs_file(scenes: list[SceneRecord], kinds: list[Json], size: WorldSize) -> Json:
    """Return a CocoVID annotation file of two-frame videos, relative to ``pairs/images``."""
    videos = [
        {
            "id": number,
            "name": scene.frames[0].file_name.rpartition("/")[0],
            "width": size.width,
            "height": size.height,
        }
        for number, scene in enumerate(scenes, start=1)
    ]
    return {"info": _info("pairs"), "videos": videos} | _video_parts(scenes, kinds, size)


def tao_file(section: str, scenes: list[SceneRecord], kinds: list[Json], size: WorldSize) -> Json:
    """Return a TAO annotation file; `file_name` is relative to ``tao/frames``.

    As in TAO, `frame_index` counts the frames on disk from 0 while the file names count from 1,
    and only annotated images are listed. `frame_id` counts the annotated images of a video.
    """
    videos = [
        {
            "id": number,
            "name": video_name(section, number - 1),
            "width": size.width,
            "height": size.height,
            "metadata": {"dataset": "MiniWorld", "frames": size.video_frames},
        }
        | _federated(scene)
        for number, scene in enumerate(scenes, start=1)
    ]
    parts = _video_parts(scenes, kinds, size)
    tracks = {
        item["track_id"]: {
            "id": item["track_id"],
            "category_id": item["category_id"],
            "video_id": item["video_id"],
        }
        for item in parts["annotations"]
    }
    return (
        {"info": _info("videos"), "licenses": [], "videos": videos}
        | parts
        | {"tracks": [tracks[key] for key in sorted(tracks)]}
    )


def _video_parts(scenes: list[SceneRecord], kinds: list[Json], size: WorldSize) -> Json:
    """Return images, annotations and categories; track ids are unique in the whole file."""
    images: list[Json] = []
    annotations: list[Json] = []
    track_ids: dict[tuple[int, int], int] = {}
    for video_id, scene in enumerate(scenes, start=1):
        for frame_id, frame in enumerate(scene.frames):
            image = _image(len(images) + 1, frame, size) | _federated(scene)
            image |= {"video_id": video_id, "frame_id": frame_id, "frame_index": frame.frame}
            images.append(image)
            items = _annotations(frame, image["id"], len(annotations))
            for item, record in zip(items, frame.objects, strict=True):
                key = (video_id, record.object)
                track = track_ids.setdefault(key, len(track_ids) + 1)
                item |= {"video_id": video_id, "track_id": track, "instance_id": track}
                annotations.append(item)
    return {"images": images, "annotations": annotations, "categories": kinds}


def _image(image_id: int, frame: FrameRecord, size: WorldSize) -> Json:
    return {
        "id": image_id,
        "file_name": frame.file_name,
        "width": size.width,
        "height": size.height,
    }


def _federated(scene: SceneRecord) -> Json:
    return {
        "neg_category_ids": [label + 1 for label in scene.negative],
        "not_exhaustive_category_ids": [label + 1 for label in scene.not_exhaustive],
    }


def _annotations(frame: FrameRecord, image_id: int, done: int) -> list[Json]:
    return [
        {
            "id": done + position,
            "image_id": image_id,
            "category_id": item.label + 1,
            "bbox": item.bbox,
            "area": item.area,
            "segmentation": item.segmentation or [_rectangle(item.bbox)],
            "iscrowd": 0,
        }
        | item.measures
        for position, item in enumerate(frame.objects, start=1)
    ]


def _rectangle(bbox: list[float]) -> list[float]:
    x, y, width, height = bbox
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def _info(what: str) -> Json:
    return {"description": f"VOVTrack mini world, {what}", "version": "1"}
