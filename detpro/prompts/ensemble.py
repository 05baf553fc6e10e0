"""From trained contexts to files of class embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from detpro.prompts.context import ContextPrompts, Position
from detpro.prompts.learner import clean_name
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.models.clip.encoder import ClipEncoder
from vovtrack.models.clip.text_bank import save_text_bank


def ensemble_embeds(banks: Sequence[Tensor]) -> Tensor:
    """Mean direction of several embeddings of the same classes (DetPro, section 3.4).

    Args:
        banks: (C, D) or (1, C, D) each, of any length.

    Returns:
        (C, D) unit rows.

    Raises:
        InputError: Different shapes, or none.
    """
    flat = [bank.float().squeeze(0) if bank.ndim == 3 else bank.float() for bank in banks]
    shapes = {tuple(bank.shape) for bank in flat}
    if len(shapes) != 1:
        raise InputError(f"Embeddings of shapes {sorted(shapes)} cannot be put together.")
    return F.normalize(reduce(torch.add, (F.normalize(bank, dim=1) for bank in flat)), dim=1)


def load_embeds(path: str | Path) -> Tensor:
    """Read class embeddings (C, D) or (1, C, D) of any number of classes.

    Raises:
        InputError: Missing or unsafe file, or one without an embedding tensor.
    """
    content = load_checkpoint_file(path, map_location="cpu")
    if isinstance(content, dict):
        content = content.get("embeddings")
    if not isinstance(content, Tensor) or content.ndim not in (2, 3):
        raise InputError(f"'{path}' holds no class embeddings (C, D).")
    return content.float()


def load_context(path: str | Path) -> Tensor:
    """Read context vectors (K, W): a checkpoint of ``PromptLearner``, or a released tensor file.

    Raises:
        InputError: Missing or unsafe file, or one without a context.
    """
    content = load_checkpoint_file(path, map_location="cpu")
    if isinstance(content, dict):
        content = content.get("state_dict", content)
        content = content.get("context", content.get("ctx"))
    if not isinstance(content, Tensor) or content.ndim != 2:
        raise InputError(f"'{path}' holds no context vectors (K, W).")
    return content.detach().float()


@torch.no_grad()
def encode_names(
    contexts: Sequence[Tensor],
    clip: ClipEncoder,
    names: Sequence[str],
    position: Position = "end",
    clean: bool = True,
) -> Tensor:
    """Embed any names with learned contexts; several contexts are put together.

    Args:
        contexts: (K, W) each.
        clip: The CLIP that they were learned with.
        names: C class names.
        position: The position they were learned with.
        clean: Read LVIS names as words.

    Returns:
        (C, D) unit rows.

    Raises:
        InputError: A context of another width than the CLIP's tokens.
    """
    words = [clean_name(name) if clean else name for name in names]
    banks = []
    for context in contexts:
        prompts = ContextPrompts(clip, words, len(context), position)
        if context.shape[1] != prompts.context_dims:
            raise InputError(
                f"The context has vectors of {context.shape[1]} dimensions, this CLIP's tokens "
                f"have {prompts.context_dims}: name the CLIP that it was learned with."
            )
        banks.append(prompts.encode(context.to(clip.device)).cpu())
    return ensemble_embeds(banks)


def save_embeds(path: str | Path, embeds: Tensor, names: Sequence[str]) -> None:
    """Write class embeddings: ``.safetensors`` with names, or the bare tensor of released files."""
    path = Path(path)
    if path.suffix == ".safetensors":
        save_text_bank(path, embeds, names)
        return
    with atomic_write(path, "wb") as file:
        torch.save(embeds.contiguous(), file)
