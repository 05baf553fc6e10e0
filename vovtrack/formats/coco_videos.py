"""COCO and CocoVID files as records; images of the latter know their video, boxes their object."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from vovtrack.errors import InputError
from vovtrack.formats.coco import read_labelled
from vovtrack.structures.videos import FrameRecord, VideoRecord, VideoSet

_MAX_ID = 2**31 - 1


def read_cocovid(path: str | Path, vocabulary: str | None = None) -> VideoSet:
    """Read a CocoVID file; crowds are regions to ignore.

    Args:
        path: JSON file; see :func:`~vovtrack.formats.coco.read_images` for what is left out.
        vocabulary: What :meth:`Vocabulary.load` takes; by default the categories of the file.

    Raises:
        InputError: Broken file, an image without video or frame, an instance without id or with one
            that is not a whole number >= 0, an id twice in one image, or a frame twice.
    """
    found, images = read_labelled(path, vocabulary)
    frames: dict[int, list[FrameRecord]] = defaultdict(list)
    for image in images:
        check_image(image, path)
        instances = image["instances"]
        frames[image["video_id"]].append(
            FrameRecord(
                number=image["frame_id"],
                image=image["file_name"],
                bboxes=[i["bbox"] for i in instances],
                labels=[i["bbox_label"] for i in instances],
                track_ids=[i["instance_id"] for i in instances],
                ignored=[bool(i["ignore_flag"]) for i in instances],
                size=(int(image["width"]), int(image["height"])),
            )
        )
    return VideoSet(found.names, [_record(path, *video) for video in sorted(frames.items())])


def read_coco_images(path: str | Path, vocabulary: str | None = None) -> VideoSet:
    """Read a COCO file as videos of one frame, whose boxes are one object each.

    Trackers learn from them what things look like, beside the few objects of their videos. Crowds
    are regions to ignore.

    Args:
        path: JSON file; see :func:`~vovtrack.formats.coco.read_images` for what is left out.
        vocabulary: What :meth:`Vocabulary.load` takes; by default the categories of the file.

    Raises:
        InputError: Broken file.
    """
    found, images = read_labelled(path, vocabulary)
    videos = [
        VideoRecord.of(
            str(image["id"]),
            [
                FrameRecord(
                    number=0,
                    image=image["file_name"],
                    bboxes=[i["bbox"] for i in image["instances"]],
                    labels=[i["bbox_label"] for i in image["instances"]],
                    track_ids=range(len(image["instances"])),
                    ignored=[bool(i["ignore_flag"]) for i in image["instances"]],
                    size=(int(image["width"]), int(image["height"])),
                )
            ],
        )
        for image in images
    ]
    return VideoSet(found.names, videos)


def check_image(image: dict[str, Any], path: str | Path) -> None:
    """Make sure that an image of a COCO file has what makes it a frame of a CocoVID file.

    Args:
        image: See :func:`~vovtrack.formats.coco.read_images`.
        path: Its file, for messages.

    Raises:
        InputError: It has not.
    """
    place = f"'{path}': image {image['id']}"
    for key in ("video_id", "frame_id"):
        if type(image.get(key)) is not int:
            raise InputError(
                f"{place} lacks the key '{key}' with a whole number: expected a CocoVID file."
            )
    seen = set()
    for instance in image["instances"]:
        if "instance_id" not in instance:
            raise InputError(f"{place}: an annotation lacks the key 'instance_id'.")
        own = instance["instance_id"]
        if type(own) is not int or not 0 <= own <= _MAX_ID:
            raise InputError(
                f"{place}: 'instance_id' is {own!r}, expected a whole number from 0 to {_MAX_ID}."
            )
        if own in seen:
            raise InputError(f"{place}: two annotations have the same 'instance_id' {own}.")
        seen.add(own)


def _record(path: str | Path, video: int, frames: list[FrameRecord]) -> VideoRecord:
    try:
        return VideoRecord.of(str(video), frames)
    except InputError as error:
        raise InputError(f"'{path}': {error}") from None
