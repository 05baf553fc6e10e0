"""Single-object benchmarks as videos of one object each, to train on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vovtrack.errors import InputError
from vovtrack.formats.single_object import SotSequence, read_ground_truth
from vovtrack.formats.single_object_layouts import list_images
from vovtrack.structures.videos import FrameRecord, VideoRecord, VideoSet


def read_single_object(
    path: str | Path, names: str | Path | Sequence[str] | None = None
) -> VideoSet:
    """Read OTB, NfS, UAV123, LaSOT, TrackingNet, GOT-10k or VOT in its published layout.

    A frame without a target, see :mod:`vovtrack.formats.single_object_layouts`, has no box. Sizes
    of images are left to the images, which may change theirs within a sequence.

    Args:
        path: Folder that holds the sequences.
        names: See :func:`~vovtrack.formats.single_object.read_ground_truth`.

    Raises:
        InputError: See there; also a sequence without images, or with more or fewer than boxes. One
            box alone is the first one, as in the test sets of GOT-10k and TrackingNet.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"The folder of sequences '{path}' does not exist.")
    sequences = read_ground_truth(root, names)
    classes = tuple(sorted({sequence.object_class for sequence in sequences}))
    videos, first_only = [], 0
    for sequence in sequences:
        images = list_images(root, sequence.files, len(sequence.bboxes))
        first_only += len(sequence.bboxes) == 1 < len(images)
        videos.append(_record(root, sequence, images, classes.index(sequence.object_class)))
    note = f"{path}: {first_only} of {len(videos)} sequences give the first box only."
    return VideoSet(classes, videos, (note,) if first_only else ())


def _record(root: Path, sequence: SotSequence, images: Sequence[str], label: int) -> VideoRecord:
    boxes, file = sequence.bboxes, f"{root}/{sequence.files.boxes}"
    if len(boxes) > len(images):
        raise InputError(
            f"{file}, line {len(images) + 1}: there is no image for this box; the sequence has "
            f"{len(images)} images and {len(boxes)} boxes."
        )
    if 1 < len(boxes) < len(images):
        raise InputError(
            f"{file}, line {len(boxes) + 1}: the box of image '{images[len(boxes)]}' is missing; "
            f"the sequence has {len(images)} images and {len(boxes)} boxes."
        )
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    shown = np.flatnonzero(sequence.present)
    found = {int(k): corners[None, k] for k in shown}
    frames = (
        FrameRecord(k, image, found[k], [label], [0]) if k in found else FrameRecord(k, image)
        for k, image in enumerate(images)
    )
    return VideoRecord.of(sequence.name, frames)
