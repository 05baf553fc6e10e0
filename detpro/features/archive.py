"""The released archive of region features, turned into a bank."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from detpro.features.bank import (
    BankHeader,
    image_groups,
    shard_is_complete,
    start_bank,
    write_shard,
)
from detpro.features.region_set import RegionSet
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.models.clip.encoder import ClipEncoder

MISSING = "missing_images.json"
"""File in the bank that lists the images which the archive has no features of."""
_OVERHEAD = 1 << 16  # bytes of a saved tensor besides its numbers
_WIDEST = 8  # bytes of a number
_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        rows: Features that this call wrote.
        images: Images of the proposals with features.
        missing: Ids of those without, ascending.
        unused: Members of images that the proposals do not have.
    """

    rows: int
    images: int
    missing: tuple[int, ...]
    unused: tuple[str, ...]


def import_bank(
    archive: str | Path,
    folder: str | Path,
    regions: RegionSet,
    clip: ClipEncoder,
    images_per_shard: int = 1000,
    progress: bool = False,
) -> ImportReport:
    """Turn a released feature archive into a bank.

    The archive was made by an epoch of training, which does not see all images that have
    proposals: those without base objects are not in it. They are listed in the bank's
    ``missing_images.json``.

    Args:
        archive: Zip of one ``.../<image id>.pth`` tensor (n, D) per image.
        folder: Where the bank comes.
        regions: The proposals that the archive was made of: row ``i`` belongs to box ``i``.
        clip: The CLIP that made it.
        images_per_shard: Images in a shard, in ascending order of their ids.
        progress: Show a bar.

    Raises:
        InputError: No zip, a damaged or unsafe one, features of none of the images, or other
            counts than the regions have.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except _DAMAGES as error:
        raise InputError(f"'{archive}' cannot be read as a zip archive: {error}.") from None
    with opened as file:
        members = _members(file, archive)
        known = set(regions.image_ids.tolist())
        present = sorted(known & members.keys())
        if not present:
            raise InputError(
                f"'{archive}' has features of none of the {len(known)} images: it belongs to "
                "other proposals."
            )
        groups = image_groups(present, images_per_shard)
        header = BankHeader(
            clip.identity, regions.fingerprint, (1.0, 1.5), clip.embed_dim, len(groups), "imported"
        )
        start_bank(folder, header)
        missing = tuple(sorted(known - members.keys()))
        with atomic_write(Path(folder) / MISSING) as listed:
            json.dump(missing, listed)
        rows = 0
        for number, ids in enumerate(tqdm(groups, unit="shard", disable=not progress)):
            if not shard_is_complete(folder, number):
                boxes = [regions.of(key)[0] for key in ids]
                features = [
                    _read(file, members[key], archive, len(found), clip.embed_dim)
                    for key, found in zip(ids, boxes, strict=True)
                ]
                rows += write_shard(folder, number, ids, boxes, np.concatenate(features))
    unused = tuple(sorted(members[key].filename for key in members.keys() - known))
    return ImportReport(rows, len(present), missing, unused)


def _members(file: zipfile.ZipFile, archive: str | Path) -> dict[int, zipfile.ZipInfo]:
    """Members by the image id that ends their name."""
    members: dict[int, zipfile.ZipInfo] = {}
    for info in file.infolist():
        if found := re.search(r"(?:^|/)(\d{1,18})\.pth$", info.filename):
            other = members.setdefault(int(found[1]), info)
            if other is not info:
                raise InputError(
                    f"'{archive}' has two members of image {int(found[1])}, '{other.filename}' "
                    f"and '{info.filename}': leave one out."
                )
    return members


def _read(
    file: zipfile.ZipFile, info: zipfile.ZipInfo, archive: str | Path, rows: int, dims: int
) -> np.ndarray:
    """One member as (rows, dims) float16, as the bank keeps it."""
    place = f"'{archive}', member '{info.filename}'"
    asked = f"the proposals have {rows} rows of {dims} dimensions"
    limit = rows * dims * _WIDEST + _OVERHEAD
    try:
        with file.open(info) as part:
            packed = part.read(limit + 1)
    except _DAMAGES as error:
        raise InputError(f"{place} is damaged ({error}): fetch the archive again.") from None
    if len(packed) > limit:
        raise InputError(
            f"{place} has more than {limit} bytes, but {asked}: it belongs to other proposals or "
            "another CLIP."
        )
    try:
        content = load_checkpoint_file(BytesIO(packed), map_location="cpu")
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    if not isinstance(content, torch.Tensor) or tuple(content.shape) != (rows, dims):
        shape = tuple(getattr(content, "shape", ())) or type(content).__name__
        raise InputError(
            f"{place} has shape {shape}, but {asked}: it belongs to other proposals or another "
            "CLIP."
        )
    return content.half().numpy()
