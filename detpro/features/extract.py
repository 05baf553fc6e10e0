"""Filling and checking feature banks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from detpro.features.bank import (
    BankHeader,
    RegionFeatureBank,
    check_shard,
    image_groups,
    shard_is_complete,
    shard_name,
    start_bank,
    write_shard,
)
from detpro.features.encoder import RegionEncoder
from detpro.features.region_set import RegionSet
from vovtrack.errors import InputError
from vovtrack.files.images import read_image

READ_AHEAD = 32
"""Images that are decoded while others are encoded."""
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
        InputError: The folder holds another bank, or an image is unknown or cannot be read.
    """
    groups = image_groups(regions.image_ids.tolist(), images_per_shard)
    header = BankHeader(
        encoder.clip.identity, regions.fingerprint, encoder.scales, encoder.clip.embed_dim,
        len(groups), precision=encoder.clip.image_dtype,
    )  # fmt: skip
    unknown = [key for ids in groups for key in ids if key not in paths]
    if unknown:
        raise InputError(
            f"{len(unknown)} of {len(regions)} images with regions, the first {unknown[0]}, are "
            "not in the annotation file: give the one that the regions were made for."
        )
    start_bank(folder, header)
    mine = [n for n in range(rank, len(groups), world_size) if not shard_is_complete(folder, n)]
    total = sum(len(regions.of(key)[0]) for n in mine for key in groups[n])
    bar = tqdm(total=total, unit="region", disable=not progress, desc="regions")
    done, pin = 0, encoder.clip.device.type == "cuda"
    with ThreadPoolExecutor(decoders) as pool, bar:
        images = _decoded(pool, (paths[key] for n in mine for key in groups[n]), pin)
        for number in mine:
            boxes = [regions.of(key)[0] for key in groups[number]]
            features = []
            for some in _batches(boxes, crops_per_batch // len(encoder.scales)):
                pictures = list(islice(images, len(some)))
                found = encoder.encode_images(pictures, [torch.from_numpy(b) for b in some])
                # On the device until the shard is whole: the next batch need not wait for a copy.
                features += [rows.half() for rows in found]
                bar.update(sum(len(part) for part in found))
            rows = torch.cat(features).cpu().numpy()
            done += write_shard(folder, number, groups[number], boxes, rows)
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
            (again,) = encoder.encode_images([_decode(paths[key])], [torch.from_numpy(boxes[rows])])
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


def _batches(boxes: Sequence[np.ndarray], limit: int) -> Iterator[list[np.ndarray]]:
    """Boxes of successive images that together make about one batch."""
    batch: list[np.ndarray] = []
    for found in boxes:
        batch.append(found)
        if sum(map(len, batch)) >= limit:
            yield batch
            batch = []
    if batch:
        yield batch


def _decoded(pool: ThreadPoolExecutor, paths: Iterable[str], pin: bool) -> Iterator[torch.Tensor]:
    """Images (3, H, W) uint8 RGB; the next ones are decoded while a yielded one is worked on."""
    waiting: deque[Future] = deque()
    for path in paths:
        waiting.append(pool.submit(_decode, path, pin))
        if len(waiting) > READ_AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _decode(path: str, pin: bool = False) -> torch.Tensor:
    pixels = read_image(path)
    image = torch.from_numpy(pixels[:, :, ::-1].transpose(2, 0, 1).copy())
    return image.pin_memory() if pin else image
