"""Videos that are folders of images, without annotations: test sets whose labels are secret."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vovtrack.errors import InputError
from vovtrack.files.images import IMAGE_SUFFIXES
from vovtrack.structures.videos import FrameRecord, VideoRecord, VideoSet


def read_folders(path: str | Path, classes: Sequence[str] = ()) -> VideoSet:
    """List the images of each folder in the order of their names.

    Args:
        path: Folder of a folder for each video.
        classes: Names of the classes, for those who ask; there are no boxes.

    Raises:
        InputError: There is no such folder, or no folder of images in it.
    """
    if not Path(path).is_dir():
        raise InputError(f"The folder of videos '{path}' does not exist.")
    videos = []
    for folder in sorted(entry for entry in Path(path).iterdir() if entry.is_dir()):
        images = sorted(f.name for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
        frames = (FrameRecord(k, f"{folder.name}/{image}") for k, image in enumerate(images))
        if images:
            videos.append(VideoRecord.of(folder.name, frames))
    if not videos:
        raise InputError(f"'{path}' holds no folder of images: expected one for each video.")
    return VideoSet(tuple(classes), videos)
