"""Text embeddings that are computed once: in memory, and in files named by what determines them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vovtrack.models.clip.text_bank import save_text_bank

SCHEMA = 1
"""Number of the way in which embeddings are computed; files of another number are not found."""


def user_cache() -> Path:
    """This user's folder of text embeddings: ``vovtrack/text`` under ``$XDG_CACHE_HOME``.

    Where that is not set, under ``~/.cache``.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vovtrack" / "text"


class TextCache:
    """Remembers text embeddings by their content.

    A damaged file is made again, and a folder that cannot be written to costs a warning.

    Args:
        folder: Where the files are; None remembers in memory alone.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder).expanduser()
        self._known: dict[str, Tensor] = {}

    def recall(self, made_of: Sequence, names: Sequence[str], make: Callable[[], Tensor]) -> Tensor:
        """Embeddings of names, computed only if nobody did so before.

        Args:
            made_of: All else that determines the embeddings, in a form that JSON takes.
            names: C texts, one per row.
            make: Computes them, (C, D) float32 on the CPU.

        Returns:
            (C, D), the caller's own copy.
        """
        content = json.dumps([SCHEMA, made_of, list(names)])
        key = hashlib.sha256(content.encode()).hexdigest()[:32]
        if key not in self._known:
            self._known[key] = self._from_disk(key, names, make)
        return self._known[key].clone()

    def _from_disk(self, key: str, names: Sequence[str], make: Callable[[], Tensor]) -> Tensor:
        if self.folder is None:
            return make()
        path = self.folder / f"{key}.safetensors"
        embeds = _read(path, names)
        if embeds is None:
            embeds = make()
            try:
                save_text_bank(path, embeds, names)
            except OSError as error:
                logging.getLogger("vovtrack").warning(
                    "Text embeddings are not kept for the next time: '%s' cannot be written (%s).",
                    path,
                    error.strerror,
                )
        return embeds


def _read(path: Path, names: Sequence[str]) -> Tensor | None:
    """The embeddings of a file as they were written; None if there is none or it is damaged."""
    try:
        with safe_open(str(path), framework="pt") as file:
            stored = json.loads((file.metadata() or {})["names"])
            embeds = file.get_tensor("embeddings")
    except (OSError, SafetensorError, ValueError, KeyError):
        return None
    whole = stored == list(names) and len(embeds) == len(names) and torch.isfinite(embeds).all()
    return embeds if whole else None
