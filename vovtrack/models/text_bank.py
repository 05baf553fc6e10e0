"""Files of class text embeddings: one unit row per class of a vocabulary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.checkpoints import load_checkpoint_file

_LVIS_CLASSES = 1203


def load_text_bank(path: str | Path, num_classes: int) -> Tensor:
    """Read class text embeddings.

    The file holds a tensor (C, D) or (1, C, D), or a dict with such a tensor under "embeddings"
    (and, for the reader's eye, "names"). Pickles run with unpickling of code disabled. Released
    LVIS files may have a 1204th row, the background: it is dropped when 1203 rows are asked for.

    Args:
        path: .safetensors, .pt or .pth file.
        num_classes: C, the rows that the vocabulary in use needs.

    Returns:
        (C, D) float32 unit rows on the CPU.

    Raises:
        InputError: Missing or unsafe file, no embedding tensor, wrong number of rows, or a row
            that is zero or not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"the text embeddings {path} do not exist; correct the path")
    bank = _embedding_tensor(_read(path), path).detach().float()
    if bank.ndim == 3 and bank.shape[0] == 1:
        bank = bank[0]
    if bank.ndim != 2:
        raise InputError(
            f"{path} holds a tensor of shape {tuple(bank.shape)}; expected (classes, dimensions)"
        )
    if len(bank) == _LVIS_CLASSES + 1 and num_classes == _LVIS_CLASSES:
        bank = bank[:_LVIS_CLASSES]
    if len(bank) != num_classes:
        raise InputError(
            f"{path} holds embeddings of {len(bank)} classes, but the vocabulary has "
            f"{num_classes}; use the file made for this vocabulary"
        )
    bad = ~(bank.isfinite().all(dim=1) & bank.any(dim=1))
    if bad.any():
        raise InputError(f"{path}: row {int(bad.nonzero()[0])} is zero or not finite")
    return F.normalize(bank, dim=-1)


def text_bank_names(path: str | Path) -> tuple[str, ...] | None:
    """Class names written into a file of embeddings; None if it carries none.

    Raises:
        InputError: Missing or damaged file, or names that are no list of texts.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"the text embeddings {path} do not exist; correct the path")
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            names = json.loads((file.metadata() or {}).get("names", "null"))
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); make it again") from None
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: 'names' is no list of class names; make the file again")
    return tuple(names)


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
