"""The readers of annotated videos, by the names that configs give them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from vovtrack.errors import InputError, did_you_mean
from vovtrack.formats.bdd100k_videos import read_bdd100k
from vovtrack.formats.coco_videos import read_coco_images, read_cocovid
from vovtrack.formats.folder_videos import read_folders
from vovtrack.formats.mot.videos import read_mot
from vovtrack.formats.single_object_videos import read_single_object
from vovtrack.structures.videos import VideoSet

READERS: dict[str, Callable[..., VideoSet]] = {
    "bdd100k": read_bdd100k,
    "coco": read_coco_images,
    "cocovid": read_cocovid,
    "folders": read_folders,
    "mot": read_mot,
    "single_object": read_single_object,
}


def find_reader(format: str | Callable[..., VideoSet], **options: Any) -> Callable[..., VideoSet]:
    """A reader with its options, ready to be given a path.

    Args:
        format: One of ``READERS``, or a function like them.
        **options: What it takes besides the path.

    Raises:
        InputError: There is none of that name, or it has no such option.
    """
    if not isinstance(format, str):
        return partial(format, **options)
    if format not in READERS:
        hint = did_you_mean(format, READERS) or f" Choose one of {', '.join(READERS)}."
        raise InputError(f"There is no format '{format}' of videos.{hint}")
    known = list(signature(READERS[format]).parameters)[1:]
    if unknown := [name for name in options if name not in known]:
        raise InputError(
            f"The reader of format '{format}' has no option '{unknown[0]}'; it has "
            f"{', '.join(known)}."
        )
    return partial(READERS[format], **options)
