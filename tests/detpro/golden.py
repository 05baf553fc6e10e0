"""The recorded cases of the released detector code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).resolve().parents[1] / "data" / "golden" / "detpro"


class Case:
    """Arrays of one recorded file as tensors, and its settings."""

    device = torch.device("cpu")
    """Of the tensors; a test changes it."""

    def __init__(self, name: str) -> None:
        self._arrays = np.load(FOLDER / f"{name}.npz", allow_pickle=False)
        self.meta = json.loads(str(self._arrays["meta_json"]))
        self.names = set(self._arrays.files)

    def __getitem__(self, key: str) -> Tensor:
        return torch.from_numpy(self._arrays[key]).to(self.device)

    def texts(self, key: str) -> list[str]:
        """An array of texts."""
        return [str(text) for text in self._arrays[key]]


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """Assert equality relative to the largest expected value."""
    scale = expected.abs().max().clamp(min=1e-12)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * scale
