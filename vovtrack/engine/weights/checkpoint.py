"""The door to weight files: nothing loads silently in part, nothing is written half."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from mmengine.model import BaseModel
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vovtrack import compat
from vovtrack.engine.resume import check_recorded, recorded_order
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.checkpoints import load_checkpoint_file

STATE_DICT_NAMES = ("state_dict", "model", "net")
"""Under which training checkpoints keep their weights: those of mmengine, and of others."""
SHOWN = 3
"""Keys that an error message lists."""
STEP = re.compile(r"(?:epoch|iter)_(\d+)\.pth")
"""Names that mmengine gives to the checkpoints of a run."""


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file onto the CPU.

    Args:
        path: ``.safetensors``, or ``.pth`` with a state dict, see :func:`state_dict_of`.

    Raises:
        InputError: Missing, damaged or unsafe file, or one without tensors.
    """
    return state_dict_of(read_checkpoint(path), path)


def read_checkpoint(path: str | Path, allow_trust: bool = True, objects: bool = False) -> Any:
    """Read the whole content of a weight file onto the CPU, without running code from it.

    Args:
        path: The file.
        allow_trust: Heed the environment variable by which a user trusts a file's author.
        objects: See :func:`load_checkpoint_file`.

    Raises:
        InputError: Missing, damaged or unsafe file.
    """
    compat.install()
    return load_checkpoint_file(
        Path(path), map_location="cpu", allow_trust=allow_trust, objects=objects
    )


def state_dict_of(content: Any, path: str | Path) -> dict[str, Tensor]:
    """The weights in the content of a checkpoint: bare, or under one of ``STATE_DICT_NAMES``.

    Args:
        content: What :func:`read_checkpoint` returned.
        path: Name of the file for messages.

    Raises:
        InputError: It holds no weights, or more than tensors among them.
    """
    weights = content if isinstance(content, Mapping) else {}
    for name in STATE_DICT_NAMES:
        if isinstance(weights.get(name), Mapping):
            weights = weights[name]
            break
    if not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"Checkpoint '{path}' holds no state dict of tensors.")
    if not all(isinstance(key, str) and key.isprintable() for key in weights):
        raise InputError(f"Checkpoint '{path}' holds tensors without printable names.")
    return dict(weights)


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


def bare_model(model: nn.Module) -> BaseModel:
    """The model inside of what runs it: several processes, or several views of an image."""
    while isinstance(inner := getattr(model, "module", None), nn.Module):
        model = inner
    return model


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
    # Weights that two names share are written under both: safetensors knows no sharing.
    tensors = {
        key: value.detach().clone(memory_format=torch.contiguous_format)
        for key, value in state.items()
    }
    with atomic_write(path, "wb") as file:
        file.write(safetensors.torch.save(tensors, dict(metadata or {})))


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts stored in a ``.safetensors`` file.

    Raises:
        InputError: Missing or damaged file, or one of another kind.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise InputError(f"'{path}' is not a readable safetensors file: {error}.") from None


def saved_checkpoints(work_dir: str | Path) -> list[Path]:
    """The checkpoints of a training run, in the order of their epochs or iterations."""
    saved = [p for p in Path(work_dir).glob("*_*.pth") if STEP.fullmatch(p.name)]
    return sorted(saved, key=lambda path: (path.name.split("_")[0], _step(path)))


def _step(checkpoint: Path) -> int:
    found = STEP.fullmatch(checkpoint.name)
    assert found is not None, "checkpoints are found by this pattern"
    return int(found[1])


def _oldest_first(work_dir: str | Path) -> list[Path]:
    """Checkpoints in the order of writing, whatever the clock of the machine said then.

    They are recorded in that order. One after the newest recorded was written by a run that was
    killed before it could record it; others are of a run that kept no record.
    """
    order = recorded_order(work_dir)
    saved = saved_checkpoints(work_dir)
    recorded = sorted((p for p in saved if p.name in order), key=lambda p: order.index(p.name))
    newest = _step(recorded[-1]) if recorded else 0
    rest = sorted((p for p in saved if p.name not in order), key=_step)
    before, after = ([p for p in rest if (_step(p) > newest) == late] for late in (False, True))
    return before + recorded + after


def latest_checkpoint(work_dir: str | Path) -> Path | None:
    """The checkpoint to continue a training run from: the newest one that is whole.

    Damaged ones are passed over with a warning.

    Args:
        work_dir: Folder in which mmengine's CheckpointHook left ``epoch_N.pth`` or ``iter_N.pth``.

    Returns:
        None if the folder holds no checkpoint.

    Raises:
        InputError: There are checkpoints, but none can be read.
    """
    compat.install()
    problem = None
    for path in reversed(_oldest_first(work_dir)):
        try:
            check_recorded(path)
            load_checkpoint_file(path, map_location="cpu")
            return path
        except InputError as error:
            problem = error
            warnings.warn(f"{error} The one before it is tried.", stacklevel=2)
    if problem is not None:
        raise problem
    return None
