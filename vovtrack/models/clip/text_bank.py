"""Files of class text embeddings: one unit row per class of a vocabulary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.structures import Vocabulary


class TextBank(NamedTuple):
    """Class text embeddings of a file."""

    embeds: Tensor
    """(C, D) float32 unit rows on the CPU."""
    names: tuple[str, ...] | None
    """Class name of each row; None if the file does not tell."""


def load_text_bank(path: str | Path) -> TextBank:
    """Read class text embeddings.

    The file holds a tensor (C, D) or (1, C, D), or a dict with such a tensor under "embeddings" and
    the class names under "names". Pickles run with unpickling of code disabled. A file without
    names that has as many rows as LVIS v1 has classes holds those in their order, as the released
    files do; their 1204th row, the background, is dropped where there is one.

    Args:
        path: .safetensors, .pt or .pth file.

    Raises:
        InputError: Missing or unsafe file, no embedding tensor, names that do not fit it, or a row
            that is zero or not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"the text embeddings {path} do not exist; correct the path")
    content = _read(path)
    rows = _embedding_tensor(content, path).detach().float()
    if rows.ndim == 3 and rows.shape[0] == 1:
        rows = rows[0]
    if rows.ndim != 2:
        raise InputError(
            f"{path} holds a tensor of shape {tuple(rows.shape)}; expected (classes, dimensions)"
        )
    names = _names(content, path)
    lvis = Vocabulary.load("lvis_v1").names
    if names is None and len(rows) in (len(lvis), len(lvis) + 1):
        rows, names = rows[: len(lvis)], lvis
    if names is not None and len(names) != len(rows):
        raise InputError(f"{path} names {len(names)} classes of {len(rows)} rows; make it again")
    bad = ~(rows.isfinite().all(dim=1) & rows.any(dim=1))
    if bad.any():
        raise InputError(f"{path}: row {int(bad.nonzero()[0])} is zero or not finite")
    return TextBank(F.normalize(rows, dim=-1), names)


def save_text_bank(path: str | Path, embeddings: Tensor, names: Sequence[str]) -> None:
    """Write class text embeddings (C, D) and their C names as safetensors, atomically."""
    from safetensors.torch import save

    content = save(
        {"embeddings": embeddings.contiguous()}, metadata={"names": json.dumps(list(names))}
    )
    with atomic_write(path, "wb") as file:
        file.write(content)


def _read(path: Path) -> object:
    try:
        return load_checkpoint_file(path, map_location="cpu")
    except InputError as error:
        raise InputError(
            f"{path} cannot be read safely as text embeddings; save only the tensor, with "
            f"torch.save or as safetensors. {error}"
        ) from None


def _names(content: object, path: Path) -> tuple[str, ...] | None:
    """Class names that a file carries: safetensors in its metadata, a dict under its own key."""
    if path.suffix == ".safetensors":
        try:
            with safe_open(str(path), framework="pt") as file:
                names = json.loads((file.metadata() or {}).get("names", "null"))
        except (SafetensorError, ValueError) as error:
            raise InputError(f"{path} is damaged ({error}); make it again") from None
    else:
        names = content.get("names") if isinstance(content, dict) else None
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: 'names' is not a list of class names; make the file again")
    return tuple(names)


def _embedding_tensor(content: object, path: Path) -> Tensor:
    if isinstance(content, dict):
        tensors = [value for value in content.values() if isinstance(value, Tensor)]
        content = content.get("embeddings", tensors[0] if len(tensors) == 1 else None)
    if not isinstance(content, Tensor):
        raise InputError(
            f"{path} holds no embedding tensor; expected a tensor (classes, dimensions) or a dict "
            "with one under the key 'embeddings'"
        )
    return content
