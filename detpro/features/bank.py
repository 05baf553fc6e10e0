"""The region feature bank: CLIP embeddings of regions on disk, in shards that are mapped.

A bank is a folder. ``bank.json`` says what it is bound to: the CLIP, the regions, how crops were
made. ``shard_00000.safetensors`` holds the rows of some images, next to their boxes, so that rows
and boxes cannot part; ``shard_00000.json`` is written last and makes the shard count as complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256
from vovtrack.files.mapped import map_safetensors

HEADER = "bank.json"
SCHEMA = 1


@dataclass(frozen=True)
class BankHeader:
    """What a bank is bound to.

    Attributes:
        clip: Architecture and weights, ``ClipEncoder.identity``.
        regions: Fingerprint of the regions.
        scales: Growth of the boxes whose crops were encoded.
        embed_dims: D.
        shards: Number of shards.
        source: ``extracted`` here, or ``imported`` from a released archive, whose crops were
            taken of augmented images.
        precision: Of CLIP's image tower.
        schema: Version of the layout.
    """

    clip: tuple[str, str]
    regions: str
    scales: tuple[float, ...]
    embed_dims: int
    shards: int
    source: str = "extracted"
    precision: str = "float32"
    schema: int = SCHEMA

    def difference(self, other: BankHeader) -> str | None:
        """What of two headers differs, in words; None if nothing does."""
        words = {
            "clip": "another CLIP",
            "regions": "other regions (proposals)",
            "scales": "other crop scales",
            "embed_dims": "another embedding size",
            "shards": "another number of shards",
            "source": "another source",
            "precision": "another precision",
            "schema": "another version of the layout",
        }
        ours, theirs = asdict(self), asdict(other)
        found = [text for key, text in words.items() if ours[key] != theirs[key]]
        return ", ".join(found) or None


def shard_name(number: int) -> str:
    """File name of a shard, without its ending."""
    return f"shard_{number:05d}"


def start_bank(folder: str | Path, header: BankHeader) -> None:
    """Write the header of a new bank, or check that an old one is the same.

    Raises:
        InputError: The folder holds a bank that is bound to something else.
    """
    folder = Path(folder)
    if (folder / HEADER).exists():
        different = read_header(folder).difference(header)
        if different:
            raise InputError(
                f"'{folder}' holds a bank made with {different}: choose another folder, or "
                "remove this one to make it again."
            )
        return
    with atomic_write(folder / HEADER) as file:
        json.dump(asdict(header), file, indent=1)


def read_header(folder: str | Path) -> BankHeader:
    """Read what a bank is bound to.

    Raises:
        InputError: No bank there, or a damaged one.
    """
    path = Path(folder) / HEADER
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["clip"], content["scales"] = tuple(content["clip"]), tuple(content["scales"])
        return BankHeader(**content)
    except FileNotFoundError:
        raise InputError(
            f"'{folder}' is not a feature bank (no {HEADER}): make one with 'vovtrack features "
            "extract'."
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"'{path}' is damaged ({error}): make the bank again.") from None


def image_groups(image_ids: Iterable[int], size: int) -> list[list[int]]:
    """Images of each shard: ``size`` at a time, in ascending order of their ids."""
    ids = sorted(image_ids)
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def write_shard(
    folder: str | Path,
    number: int,
    image_ids: Sequence[int],
    bboxes: Sequence[np.ndarray],
    features: np.ndarray,
) -> int:
    """Write one shard: first its rows, then the note that completes it.

    Args:
        folder: The bank.
        number: Which shard.
        image_ids: Its I images.
        bboxes: (n_i, 4) boxes of each, original pixels.
        features: (R, D) unit rows of all boxes, stored as float16.

    Returns:
        R.
    """
    arrays = dict(
        image_ids=np.array(image_ids, np.int64),
        offsets=np.cumsum([0, *(len(boxes) for boxes in bboxes)]),
        bboxes=np.concatenate(bboxes).astype(np.float32),
        features=features.astype(np.float16, copy=False),
    )
    content = save(arrays)
    base = Path(folder) / shard_name(number)
    with atomic_write(base.with_suffix(".safetensors"), "wb") as file:
        file.write(content)
    note = dict(rows=len(features), bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    with atomic_write(base.with_suffix(".json")) as file:
        json.dump(note, file)
    return len(features)


def shard_is_complete(folder: str | Path, number: int) -> bool:
    """Whether a shard was written to its end; its content is for ``verify`` to check."""
    base = Path(folder) / shard_name(number)
    try:
        note = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
        return base.with_suffix(".safetensors").stat().st_size == note["bytes"]
    except (OSError, ValueError, KeyError):
        return False


def check_shard(folder: str | Path, number: int) -> None:
    """Compare a shard with its hash.

    Raises:
        InputError: It is missing or was changed.
    """
    base = Path(folder) / shard_name(number)
    if not shard_is_complete(folder, number):
        raise InputError(
            f"'{base}.safetensors' is missing or cut short: run 'vovtrack features extract' "
            "again, it makes what is missing."
        )
    note = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
    if file_sha256(base.with_suffix(".safetensors")) != note["sha256"]:
        raise InputError(
            f"'{base}.safetensors' is not what was written: remove it and run 'vovtrack features "
            "extract' again."
        )


class RegionFeatureBank:
    """Reads a bank; rows are mapped from disk when asked for, so memory stays small.

    Args:
        folder: The bank.

    Raises:
        InputError: No bank, a damaged one, or one that is not complete.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.header = read_header(folder)
        missing = [n for n in range(self.header.shards) if not shard_is_complete(folder, n)]
        if missing:
            raise InputError(
                f"The feature bank '{folder}' lacks {len(missing)} of {self.header.shards} shards, "
                f"the first {shard_name(missing[0])}: run 'vovtrack features extract' again, it "
                "resumes there."
            )
        self._mapped: dict[int, dict[str, np.ndarray]] = {}

    @cached_property
    def _places(self) -> dict[int, tuple[int, int, int]]:
        """Image id -> shard, first row, last row."""
        places = {}
        for number in range(self.header.shards):
            shard = self._shard(number)
            bounds = shard["offsets"].tolist()
            for key, first, last in zip(
                shard["image_ids"].tolist(), bounds[:-1], bounds[1:], strict=True
            ):
                places[key] = (number, first, last)
        return places

    @cached_property
    def _starts(self) -> np.ndarray:
        """(S + 1,) rows in front of each shard, and all of them."""
        counts = [len(self._shard(number)["bboxes"]) for number in range(self.header.shards)]
        return np.cumsum([0, *counts])

    def __getstate__(self) -> dict:
        # Mapped files do not travel to data workers; each maps its own.
        return {**self.__dict__, "_mapped": {}}

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._places

    def __len__(self) -> int:
        return len(self._places)

    @property
    def image_ids(self) -> tuple[int, ...]:
        """Images that the bank has rows of."""
        return tuple(self._places)

    @property
    def num_rows(self) -> int:
        """Regions of all images."""
        return int(self._starts[-1])

    def shard_of(self, image_id: int) -> int:
        """Number of the shard that holds an image."""
        return self._places[image_id][0]

    def of(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4) in original pixels and unit features (n, D) float16 of an image.

        Raises:
            InputError: The bank does not have it.
        """
        if image_id not in self._places:
            raise InputError(
                f"The feature bank '{self.folder}' has no image {image_id}: make it for this "
                "annotation file, or set on_missing='skip' or 'online'."
            )
        number, first, last = self._places[image_id]
        shard = self._shard(number)
        return shard["bboxes"][first:last].copy(), shard["features"][first:last].copy()

    def boxes_of(self, image_id: int) -> tuple[np.ndarray, int]:
        """Boxes (n, 4) of an image that the bank has, and the number of the first one's row."""
        number, first, last = self._places[image_id]
        return self._shard(number)["bboxes"][first:last], int(self._starts[number]) + first

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Unit features (n, D) float16 of any rows, counted through all shards."""
        found = np.empty((len(numbers), self.header.embed_dims), np.float16)
        shards = np.searchsorted(self._starts, numbers, side="right") - 1
        for number in np.unique(shards).tolist():
            asked = shards == number
            found[asked] = self._shard(number)["features"][numbers[asked] - self._starts[number]]
        return found

    def _shard(self, number: int) -> dict[str, np.ndarray]:
        if number not in self._mapped:
            path = self.folder / f"{shard_name(number)}.safetensors"
            try:
                self._mapped[number] = map_safetensors(path)
            except (SafetensorError, KeyError) as error:
                raise InputError(
                    f"'{path}' is damaged ({error}): remove it and run 'vovtrack features "
                    "extract' again."
                ) from None
        return self._mapped[number]

    def check(self, regions: str | None = None, clip: tuple[str, str] | None = None) -> None:
        """Make sure that the bank was made of these regions and with this CLIP.

        Args:
            regions: ``RegionSet.fingerprint``; None for any.
            clip: ``ClipEncoder.identity``; None for any.

        Raises:
            InputError: It was not.
        """
        for what, asked, found in (
            ("regions", regions, self.header.regions),
            ("CLIP", clip, self.header.clip),
        ):
            if asked is not None and asked != found:
                raise InputError(
                    f"The feature bank '{self.folder}' was made with another {what} "
                    f"({str(found)[:60]}): extract one for this, or use that."
                )
