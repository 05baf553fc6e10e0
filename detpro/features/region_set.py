"""Class-agnostic regions of many images: proposals of an RPN, or annotated boxes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from vovtrack.errors import InputError
from vovtrack.files.array_pickle import read_array_pickle
from vovtrack.files.atomic import atomic_write
from vovtrack.formats.coco import read_labelled

_ARRAYS = ("image_ids", "offsets", "bboxes", "scores")


class RegionSet:
    """Boxes with scores, grouped by image.

    Boxes are (x1, y1, x2, y2) in pixels of the original image. On disk the set is one safetensors
    file of four arrays, keyed by image id, so that no order of images can be mistaken.

    Args:
        image_ids: (I,) int64.
        offsets: (I + 1,) int64; image ``i`` owns rows ``offsets[i]:offsets[i + 1]``.
        bboxes: (R, 4) float32.
        scores: (R,) float32.

    Raises:
        InputError: The arrays do not fit together.
    """

    def __init__(
        self, image_ids: np.ndarray, offsets: np.ndarray, bboxes: np.ndarray, scores: np.ndarray
    ) -> None:
        self.image_ids = np.asarray(image_ids, np.int64)
        self.offsets = np.asarray(offsets, np.int64)
        self.bboxes = np.asarray(bboxes, np.float32).reshape(-1, 4)
        self.scores = np.asarray(scores, np.float32)
        self._places = {int(key): place for place, key in enumerate(self.image_ids)}
        rows = len(self.bboxes)
        consistent = (
            len(self._places) == len(self.image_ids) == len(self.offsets) - 1
            and self.offsets[0] == 0
            and self.offsets[-1] == rows == len(self.scores)
            and (np.diff(self.offsets) >= 0).all()
        )
        if not consistent:
            raise InputError(
                f"Regions of {len(self.image_ids)} images with {rows} boxes do not fit their "
                "offsets, or an image occurs twice: make the file again."
            )
        if not np.isfinite(self.bboxes).all():
            raise InputError("Regions have coordinates that are not numbers: make the file again.")

    def __len__(self) -> int:
        return len(self.image_ids)

    def of(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4) and scores (n,) of an image.

        Raises:
            InputError: The image is not among them.
        """
        if image_id not in self._places:
            raise InputError(
                f"Image {image_id} has no regions: make them for this annotation file with "
                "'vovtrack features proposals'."
            )
        place = self._places[image_id]
        rows = slice(self.offsets[place], self.offsets[place + 1])
        return self.bboxes[rows], self.scores[rows]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of images and boxes; scores do not matter to what is seen."""
        digest = hashlib.sha256()
        for array in (self.image_ids, self.offsets, self.bboxes):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the set as safetensors, atomically."""
        content = save({name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS})
        with atomic_write(path, "wb") as file:
            file.write(content)

    @classmethod
    def load(cls, path: str | Path, ann_file: str | Path | None = None) -> RegionSet:
        """Read a set.

        Args:
            path: Our ``.safetensors``, or a ``.pkl`` of the released form: a list with one
                (n, 5) array per image, in the order of the annotation file.
            ann_file: The annotation file that a ``.pkl`` belongs to.

        Raises:
            InputError: Missing, damaged or unsafe file, or one for other images.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(
                f"The regions '{path}' do not exist: make them with 'vovtrack features proposals'."
            )
        if path.suffix in (".pkl", ".pickle"):
            return cls._load_released(path, ann_file)
        try:
            arrays = load(path.read_bytes())
            return cls(*(arrays[name] for name in _ARRAYS))
        except (SafetensorError, KeyError) as error:
            raise InputError(f"'{path}' holds no regions ({error}): make it again.") from None

    @classmethod
    def _load_released(cls, path: Path, ann_file: str | Path | None) -> RegionSet:
        if ann_file is None:
            raise InputError(f"'{path}' counts images by order: name its annotation file too.")
        with open(path, "rb") as file:
            arrays = read_array_pickle(file, path)
        ids = [record["id"] for record in read_labelled(ann_file)[1]]
        if not isinstance(arrays, list) or len(arrays) != len(ids):
            found = len(arrays) if isinstance(arrays, list) else type(arrays).__name__
            raise InputError(
                f"'{path}' holds {found} entries, '{ann_file}' has {len(ids)} images: use the "
                "proposals that were made for this file."
            )
        for number, array in enumerate(arrays):
            if getattr(array, "ndim", 0) != 2 or array.shape[1] not in (4, 5):
                raise InputError(f"'{path}': entry {number} is not an array of (n, 5) boxes.")
        return cls.collect(
            (key, array[:, :4], array[:, 4] if array.shape[1] == 5 else np.ones(len(array)))
            for key, array in zip(ids, arrays, strict=True)
        )

    @classmethod
    def collect(cls, images: Iterable[tuple[int, np.ndarray, np.ndarray]]) -> RegionSet:
        """Gather (image id, boxes (n, 4), scores (n,)) of images."""
        ids, bboxes, scores = [], [np.zeros((0, 4))], [np.zeros(0)]
        for key, boxes, values in images:
            ids.append(key)
            bboxes.append(np.asarray(boxes).reshape(-1, 4))
            scores.append(values)
        offsets = np.cumsum([len(part) for part in bboxes])
        return cls(np.array(ids), offsets, np.concatenate(bboxes), np.concatenate(scores))

    @classmethod
    def join(cls, sets: Sequence[RegionSet]) -> RegionSet:
        """One set of all, in their order.

        Raises:
            InputError: An image is in two of them.
        """
        return cls.collect((key, *one.of(key)) for one in sets for key in one.image_ids.tolist())

    @classmethod
    def from_annotations(
        cls, ann_file: str | Path, visible: Literal["base", "all"] = "base"
    ) -> RegionSet:
        """The annotated boxes of an LVIS-style file, those of base classes or all; scores are 1."""
        vocabulary, records = read_labelled(ann_file)
        hidden = set(vocabulary.novel.nonzero()[0]) if visible == "base" else set()
        boxes = (
            (
                record["id"],
                [i["bbox"] for i in record["instances"] if i["bbox_label"] not in hidden],
            )
            for record in records
        )
        return cls.collect((key, np.array(found), np.ones(len(found))) for key, found in boxes)
