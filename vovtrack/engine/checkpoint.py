"""The door to weight files: nothing loads silently in part, nothing is written half."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import safe_open
from torch import Tensor, nn

from vovtrack import compat
from vovtrack.compat.files import load_checkpoint_file
from vovtrack.errors import InputError
from vovtrack.formats.atomic import atomic_write

SHOWN = 3
"""Keys that an error message lists."""


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file onto the CPU.

    Args:
        path: ``.safetensors``, or ``.pth`` with a state dict, bare or under ``state_dict``.

    Raises:
        InputError: Missing, damaged or unsafe file, or one without tensors.
    """
    compat.install()
    content = load_checkpoint_file(Path(path), map_location="cpu")
    weights = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"Checkpoint '{path}' holds no state dict of tensors.")
    return {
        key: value.float() if value.is_floating_point() else value for key, value in weights.items()
    }


def load_checkpoint_into(model: nn.Module, path: str | Path) -> None:
    """Load all weights of a model; the model may translate old key names itself.

    Counters of batch norms (``num_batches_tracked``) may be missing: they have no effect.

    Raises:
        InputError: A key is missing, unexpected or of another shape, or the file cannot be read.
    """
    try:
        result = model.load_state_dict(load_weights(path), strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"Checkpoint '{path}' does not fit the config: {reason}") from None
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    for what, keys in (("lacks", missing), ("has unexpected", result.unexpected_keys)):
        if keys:
            raise InputError(
                f"Checkpoint '{path}' {what} {len(keys)} of the config's {len(model.state_dict())} "
                f"tensors: {', '.join(keys[:SHOWN])}, ... Is it of another config or stage?"
            )


def save_weights(
    weights: nn.Module | Mapping[str, Tensor],
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write weights as safetensors, complete or not at all.

    Args:
        weights: A model or a state dict.
        path: ``.safetensors`` file.
        metadata: Texts to store with them, such as where they come from.
    """
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    tensors = {key: value.contiguous() for key, value in state.items()}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, "wb") as file:
        file.write(safetensors.torch.save(tensors, dict(metadata or {})))


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts stored in a ``.safetensors`` file."""
    with safe_open(str(path), framework="pt") as file:
        return dict(file.metadata() or {})
