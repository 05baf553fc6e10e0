"""Filling, checking and importing feature banks."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from detpro.features.bank import (
    BankHeader,
    RegionFeatureBank,
    check_shard,
    shard_is_complete,
    shard_name,
    start_bank,
    write_shard,
)
from detpro.features.encoder import RegionEncoder
from detpro.features.regions import RegionSet
from vovtrack.errors import InputError
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.models.clip import ClipTextEncoder

SAME_COSINE = 0.999
"""Two encodings of one region may differ by rounding; less alike than this they are different."""


def extract_bank(
    folder: str | Path,
    regions: RegionSet,
    paths: dict[int, str],
    encoder: RegionEncoder,
    images_per_shard: int = 1000,
    crops_per_batch: int = 2048,
    rank: int = 0,
    world_size: int = 1,
    decoders: int = 2,
    progress: bool = False,
) -> int:
    """Encode the regions of all images into a bank; complete shards of an earlier run are kept.

    Args:
        folder: Where the bank is or comes.
        regions: What to encode.
        paths: Image id -> image file.
        encoder: CLIP and crops.
        images_per_shard: Images in a shard, in ascending order of their ids.
        crops_per_batch: About as many crops are encoded together.
        rank: This process writes the shards whose number leaves ``rank`` modulo ``world_size``.
        world_size: Processes that share the work.
        decoders: Threads that read images ahead.
        progress: Show a bar with rate and remaining time.

    Returns:
        Number of regions that this call encoded.

    Raises:
        InputError: The folder holds another bank, or an image cannot be read.
    """
    groups = _groups(regions, images_per_shard)
    header = BankHeader(
        encoder.clip.identity, regions.fingerprint, encoder.scales, encoder.clip.embed_dim,
        len(groups), precision=encoder.clip.image_dtype,
    )  # fmt: skip
    start_bank(folder, header)
    mine = [n for n in range(rank, len(groups), world_size) if not shard_is_complete(folder, n)]
    total = sum(len(regions.of(key)[0]) for n in mine for key in groups[n])
    done = 0
    with tqdm(total=total, unit="region", disable=not progress, desc="regions") as bar:
        for number in mine:
            ids = groups[number]
            boxes = [regions.of(key)[0] for key in ids]
            features = []
            for batch in _batches(ids, boxes, crops_per_batch // len(encoder.scales)):
                images = _decoded([paths[ids[i]] for i in batch], decoders)
                found = encoder.encode_images(
                    list(images), [torch.from_numpy(boxes[i]) for i in batch]
                )
                features += found
                bar.update(sum(len(part) for part in found))
            done += _write(folder, number, ids, boxes, [f.cpu().numpy() for f in features])
    return done


def verify_bank(
    folder: str | Path,
    paths: dict[int, str],
    encoder: RegionEncoder,
    rows_per_shard: int = 20,
    seed: int = 0,
) -> dict[str, float]:
    """Check hashes of all shards and encode random rows of each again.

    Args:
        folder: The bank.
        paths: Image id -> image file.
        encoder: The CLIP that the bank is said to be of.
        rows_per_shard: Rows to encode again.
        seed: Which rows.

    Returns:
        ``shards``, ``rows``, mean and worst ``cosine`` of the rows encoded again.

    Raises:
        InputError: A changed shard, another CLIP, or a row that does not show its region.
    """
    bank = RegionFeatureBank(folder)
    bank.check(clip=encoder.clip.identity)
    generator = np.random.default_rng(seed)
    cosines: list[float] = []
    by_shard: dict[int, list[int]] = {}
    for key in bank.image_ids:
        by_shard.setdefault(bank.shard_of(key), []).append(key)
    for number in range(bank.header.shards):
        check_shard(folder, number)
        keys = generator.permutation(by_shard.get(number, []))
        taken = 0
        for key in keys.tolist():
            boxes, features = bank.of(key)
            if taken >= rows_per_shard or not len(boxes):
                continue
            rows = generator.permutation(len(boxes))[: max(1, rows_per_shard // 5)]
            taken += len(rows)
            (image,) = _decoded([paths[key]], 1)
            (again,) = encoder.encode_images([image], [torch.from_numpy(boxes[rows])])
            cosine = (again.cpu().numpy() * features[rows].astype(np.float32)).sum(axis=1)
            if cosine.min() < SAME_COSINE:
                raise InputError(
                    f"'{bank.folder / shard_name(number)}.safetensors': image {key}, region "
                    f"{rows[cosine.argmin()]} has cosine {cosine.min():.4f} with its encoding: the "
                    "bank belongs to other images, or was made with augmented ones."
                )
            cosines += cosine.tolist()
    return {
        "shards": bank.header.shards,
        "rows": len(cosines),
        "mean_cosine": float(np.mean(cosines)) if cosines else float("nan"),
        "worst_cosine": float(np.min(cosines)) if cosines else float("nan"),
    }


def import_bank(
    archive: str | Path,
    folder: str | Path,
    regions: RegionSet,
    clip: ClipTextEncoder,
    images_per_shard: int = 1000,
    progress: bool = False,
) -> int:
    """Turn a released feature archive into a bank.

    Args:
        archive: Zip of one ``.../<image id>.pth`` tensor (n, D) per image.
        folder: Where the bank comes.
        regions: The proposals that the archive was made of: row ``i`` belongs to box ``i``.
        clip: The CLIP that made it.
        images_per_shard: As for :func:`extract_bank`.
        progress: Show a bar.

    Returns:
        Number of rows.

    Raises:
        InputError: No zip, an image without features, or other counts than the regions have.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"'{archive}' cannot be read as a zip archive: {error}.") from None
    with opened as file:
        members = {
            int(found.group(1)): name
            for name in file.namelist()
            if (found := re.search(r"(\d+)\.pth$", name))
        }
        absent = [key for key in regions.image_ids.tolist() if key not in members]
        if absent:
            raise InputError(
                f"'{archive}' has no features of {len(absent)} of {len(regions)} images, the first "
                f"{absent[0]}: it belongs to other proposals."
            )
        groups = _groups(regions, images_per_shard)
        header = BankHeader(
            clip.identity, regions.fingerprint, (1.0, 1.5), clip.embed_dim, len(groups), "imported"
        )
        start_bank(folder, header)
        rows = 0
        for number, ids in enumerate(tqdm(groups, unit="shard", disable=not progress)):
            if not shard_is_complete(folder, number):
                boxes = [regions.of(key)[0] for key in ids]
                features = [
                    _member(file, members[key], archive, len(found), clip.embed_dim)
                    for key, found in zip(ids, boxes, strict=True)
                ]
                rows += _write(folder, number, ids, boxes, features)
    return rows


def _member(
    file: zipfile.ZipFile, name: str, archive: str | Path, rows: int, dims: int
) -> np.ndarray:
    try:
        content = load_checkpoint_file(BytesIO(file.read(name)), map_location="cpu")
    except (InputError, zipfile.BadZipFile) as error:
        raise InputError(f"'{archive}', member '{name}': {error}") from None
    if not isinstance(content, torch.Tensor) or tuple(content.shape) != (rows, dims):
        shape = tuple(getattr(content, "shape", ())) or type(content).__name__
        raise InputError(
            f"'{archive}', member '{name}' has shape {shape}, but the proposals have {rows} rows "
            f"of {dims} dimensions: it belongs to other proposals or another CLIP."
        )
    return content.float().numpy()


def _groups(regions: RegionSet, size: int) -> list[list[int]]:
    ids = sorted(regions.image_ids.tolist())
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _batches(ids: Sequence[int], boxes: Sequence[np.ndarray], limit: int) -> Iterator[list[int]]:
    """Places of images whose regions together make about one batch."""
    batch, count = [], 0
    for place in range(len(ids)):
        batch.append(place)
        count += len(boxes[place])
        if count >= limit:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _decoded(paths: Sequence[str], decoders: int) -> Iterable[torch.Tensor]:
    """Images (3, H, W) uint8 RGB; files are decoded in parallel."""
    with ThreadPoolExecutor(decoders) as pool:
        return list(pool.map(_decode, paths))


def _decode(path: str) -> torch.Tensor:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise InputError(f"Image '{path}' cannot be read: fetch it again.")
    return torch.from_numpy(pixels[:, :, ::-1].transpose(2, 0, 1).copy())


def _write(
    folder: str | Path,
    number: int,
    ids: Sequence[int],
    boxes: Sequence[np.ndarray],
    features: Sequence[np.ndarray],
) -> int:
    offsets = np.cumsum([0, *(len(found) for found in boxes)])
    rows = np.concatenate(features) if features else np.zeros((0, 1))
    write_shard(folder, number, np.array(ids), offsets, np.concatenate(boxes), rows)
    return len(rows)
