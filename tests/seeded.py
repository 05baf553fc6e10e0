"""Weights that are a function of their own key, so that parity tests need no weight file.

The recorded outputs under ``tests/data/golden`` were made with these draws.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor


def normal(shape: tuple[int, ...], *key: object) -> Tensor:
    """Standard normal float32 draws seeded by the CRC-32 of ``key`` joined with slashes."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32("/".join(map(str, key)).encode())))
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))


def seeded_state_dict(shapes: dict[str, list[int]], salt: str) -> dict[str, Tensor]:
    """One tensor per key: scaled weights, small biases, plausible batch statistics."""
    return {key: _seeded(key, tuple(shape), salt) for key, shape in shapes.items()}


def _seeded(key: str, shape: tuple[int, ...], salt: str) -> Tensor:
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.long)
    draw = normal(shape, salt, key)
    if leaf == "running_var":
        return 1 + 0.1 * draw.abs()
    if leaf == "running_mean":
        return 0.1 * draw
    if len(shape) >= 2:
        return draw / float(np.sqrt(np.prod(shape[1:])))
    return 1 + 0.1 * draw if leaf == "weight" else 0.05 * draw
