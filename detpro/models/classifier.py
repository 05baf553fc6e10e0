"""Classification by cosine with a bank of class text embeddings."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.models.clip.text_bank import load_text_bank
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary
from vovtrack.structures.class_names import find_names


@MODELS.register_module()
class TextBankClassifier(BaseModule):
    """Cosine classifier whose class weights are text embeddings and may change at any time.

    The bank is a buffer that checkpoints do not carry: it belongs to the vocabulary, not to the
    weights. Only the background embedding is learned (DetPro, section 3.3).

    Args:
        embed_dims: Dimension D of the embeddings.
        text_bank: File of class embeddings, see :func:`~vovtrack.models.load_text_bank`; classes
            are looked up by name, synonyms of LVIS included. A file that names no classes must
            have one row per class, in order. A missing file is reported on first use.
        text_encoder: Config of an encoder with ``encode(names) -> (C, D)`` and ``to(device)``, for
            vocabularies of which the file lacks a name: all of their names then go through it,
            because embeddings of two sources do not compare.
        train_temperature: Divides cosines in training.
        test_temperature: Divides cosines in testing.
        context: Names that compete with those of the vocabulary without being reported, anything
            :meth:`Vocabulary.load` takes: a region that looks more like one of them is background.
            Without them a list of a few names takes every object for one of its own, and no
            threshold fits lists of any length. None: only the learned background competes.
    """

    vocabulary: Vocabulary
    bank: Tensor
    context_bank: Tensor

    def __init__(
        self,
        embed_dims: int = 512,
        text_bank: str | None = None,
        text_encoder: dict | None = None,
        train_temperature: float = 0.01,
        test_temperature: float = 0.007,
        context: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(init_cfg=dict(type="Xavier", layer="Linear", distribution="uniform"))
        self.background = nn.Linear(1, embed_dims)
        self.text_bank = text_bank
        self.text_encoder = MODELS.build(text_encoder) if text_encoder else None
        self.train_temperature = train_temperature
        self.test_temperature = test_temperature
        self.context = None if context is None else Vocabulary.load(context)
        self.competitors: list[str] = []
        self._weights: dict[float, Tensor] = {}
        self.register_buffer("bank", torch.empty(0, embed_dims), persistent=False)
        self.register_buffer("context_bank", torch.empty(0, embed_dims), persistent=False)

    def set_vocabulary(self, vocabulary: Vocabulary, embeds: Tensor | None = None) -> None:
        """Classify into ``vocabulary`` from now on.

        Args:
            vocabulary: The C classes.
            embeds: (C, D) their embeddings; by default read from the file or encoded on first use.
        """
        self.vocabulary = vocabulary
        if embeds is not None:
            self._check_shape(embeds, vocabulary.names)
        rows = self.bank[:0] if embeds is None else F.normalize(embeds.float(), dim=1)
        self.bank = rows.to(self.background.weight.device)
        self.competitors = competing_names(vocabulary.names, self._context_names)
        self.context_bank = self.bank[:0]
        self._weights.clear()

    @property
    def _context_names(self) -> tuple[str, ...]:
        return () if self.context is None else self.context.names

    def class_embeds(self) -> Tensor:
        """(C + 1, D) unit rows: the vocabulary, then the background."""
        return torch.cat([self._class_rows(), self._background()[None]])

    def context_embeds(self) -> Tensor:
        """(X, D) unit rows of the names that compete without being reported."""
        if len(self.context_bank) != len(self.competitors):
            # All names at once: the same text for every vocabulary, so that a cache knows it.
            rows = find_names(self.competitors, self._context_names)
            self.context_bank = self._find_embeds(self._context_names)[rows]
        return self.context_bank

    def logits(self, embeds: Tensor, temperature: float, background: bool = True) -> Tensor:
        """Scaled cosines.

        Args:
            embeds: (N, D) unit region embeddings.
            temperature: Divides the cosines.
            background: Whether the learned background competes; if not, the last column holds
                the context alone.

        Returns:
            (N, C + 1) float32 logits; the last column is the background, with the context.
        """
        # 0.007 leaves bfloat16 too few digits: one step of its cosine would be half a logit.
        with torch.autocast(embeds.device.type, enabled=False):
            embeds = embeds.float()
            named = embeds @ self._named_weights(temperature, embeds.device)
            logits, others = named.tensor_split([len(self.vocabulary)], dim=1)
            last = embeds.new_full((len(embeds),), -torch.inf)
            if background:
                last = embeds @ (self._background() / temperature)
            if self.competitors:
                last = torch.logaddexp(last, others.logsumexp(dim=1))
            return torch.cat([logits, last[:, None]], dim=1)

    def _named_weights(self, temperature: float, device: torch.device) -> Tensor:
        """(D, C + X) rows of the vocabulary and of the context over a temperature.

        They last as long as the vocabulary; the background alone is learned and new each time.
        """
        weights = self._weights.get(temperature)
        if weights is None or weights.device != device:
            rows = torch.cat([self._class_rows(), self.context_embeds()])
            weights = self._weights[temperature] = (rows / temperature).T.to(device)
        return weights

    def _class_rows(self) -> Tensor:
        """(C, D) unit rows of the vocabulary."""
        if len(self.bank) != len(self.vocabulary):
            self.bank = self._find_embeds(self.vocabulary.names)
        return self.bank

    def _background(self) -> Tensor:
        """(D,) unit row of the background."""
        row = self.background.weight[:, 0] + self.background.bias
        return F.normalize(row.float(), dim=0)

    def _find_embeds(self, names: Sequence[str]) -> Tensor:
        """(C, D) unit rows from the file or, if it does not know all names, from the encoder."""
        device = self.background.weight.device
        embeds, unknown = (
            self._file_embeds(self.text_bank, names) if self.text_bank else (None, names)
        )
        if embeds is None and self.text_encoder is not None:
            embeds = self.text_encoder.to(device).encode(names)
        if embeds is None:
            raise InputError(
                f"No text embeddings for {len(unknown)} of {len(names)} classes "
                f"({', '.join(unknown[:3])}{', ...' if len(unknown) > 3 else ''})"
                f"{f' in {self.text_bank}' if self.text_bank else ''}: "
                "set model.roi_head.classifier.text_bank to an embedding file of these classes "
                "('vovtrack prompts encode' makes one) or model.roi_head.classifier.text_encoder "
                "to a CLIP text encoder."
            )
        self._check_shape(embeds, names)
        return F.normalize(embeds.float(), dim=1).to(device)

    def _file_embeds(self, path: str, names: Sequence[str]) -> tuple[Tensor | None, list[str]]:
        """Rows of the file in the order of ``names``, or None and the names that it lacks."""
        bank = load_text_bank(path)
        if bank.names is None:
            # Nothing but the number of rows can be checked, so an encoder is safer.
            return (None, list(names)) if self.text_encoder is not None else (bank.embeds, [])
        rows = find_names(names, bank.names)
        unknown = [name for name, row in zip(names, rows, strict=True) if row is None]
        return (None, unknown) if unknown else (bank.embeds[rows], [])

    def _check_shape(self, embeds: Tensor, names: Sequence[str]) -> None:
        if embeds.shape != (len(names), self.bank.shape[1]):
            raise InputError(
                f"The text bank has shape {tuple(embeds.shape)}, but {len(names)} classes of "
                f"{self.bank.shape[1]} dimensions are expected."
            )


def competing_names(names: Sequence[str], context: Sequence[str]) -> list[str]:
    """The names of ``context`` that say something else than every one of ``names``.

    A name whose words are all in a class name, or the other way round, may mean the same object:
    "car_(automobile)" does not compete with "red car". Words in parentheses do not count.
    """
    ours = [_words(name) for name in names]
    return [
        name
        for name in context
        if not any((words := _words(name)) <= own or own <= words for own in ours)
    ]


def _words(name: str) -> frozenset[str]:
    plain = re.sub(r"\(.*?\)", " ", name.lower())
    return frozenset(re.findall(r"[^\W_]+", plain)) or frozenset([name])
