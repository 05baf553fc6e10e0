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
from vovtrack.models.text_bank import load_text_bank, text_bank_names
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary


@MODELS.register_module()
class TextBankClassifier(BaseModule):
    """Cosine classifier whose class weights are text embeddings and may change at any time.

    The bank is a buffer that checkpoints do not carry: it belongs to the vocabulary, not to the
    weights. Only the background embedding is learned (DetPro, section 3.3).

    Args:
        embed_dims: Dimension D of the embeddings.
        text_bank: File with the LVIS v1 rows (1203, D), with named rows, or with one row per
            class of the vocabulary. A missing file is reported on first use.
        text_encoder: Config of an encoder with ``encode(names) -> (C, D)``, for vocabularies
            the file does not know.
        train_temperature: Divides cosines in training.
        test_temperature: Divides cosines in testing.
        context: Names that compete with those of the vocabulary without being reported, anything
            :meth:`Vocabulary.load` takes: a region that looks more like one of them is background.
            Without them a list of a few names takes every object for one of its own, and no
            threshold fits lists of any length. None: only the learned background competes.
    """

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
        self.text_encoder = text_encoder and MODELS.build(text_encoder)
        self.train_temperature = train_temperature
        self.test_temperature = test_temperature
        self.context = None if context is None else Vocabulary.load(context)
        self.vocabulary: Vocabulary | None = None
        self.competitors: list[str] = []
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
            self._check_shape(embeds, vocabulary)
        rows = self.bank[:0] if embeds is None else F.normalize(embeds.float(), dim=1)
        self.bank = rows.to(self.background.weight.device)
        names = () if self.context is None else self.context.names
        self.competitors = competing_names(vocabulary.names, names)
        self.context_bank = self.bank[:0]

    def class_embeds(self) -> Tensor:
        """(C + 1, D) unit rows: the vocabulary, then the background."""
        if len(self.bank) != len(self.vocabulary):
            self.bank = self._find_embeds(self.vocabulary)
        background = self.background.weight[:, 0] + self.background.bias
        return torch.cat([self.bank, F.normalize(background.float(), dim=0)[None]])

    def context_embeds(self) -> Tensor:
        """(X, D) unit rows of the names that compete without being reported."""
        if len(self.context_bank) != len(self.competitors):
            self.context_bank = self._find_embeds(Vocabulary.from_names(self.competitors))
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
            logits = embeds @ (self.class_embeds() / temperature).T
            if background and not self.competitors:
                return logits
            last = logits[:, -1] if background else torch.full_like(logits[:, -1], -torch.inf)
            if self.competitors:
                others = embeds @ (self.context_embeds() / temperature).T
                last = torch.logaddexp(last, others.logsumexp(dim=1))
            return torch.cat([logits[:, :-1], last[:, None]], dim=1)

    def _find_embeds(self, vocabulary: Vocabulary) -> Tensor:
        """(C, D) unit rows from the file or, for names that it does not know, from the encoder."""
        rows = self._file_rows(vocabulary) if self.text_bank else None
        if rows is not None:
            embeds = load_text_bank(self.text_bank, rows[1])[rows[0]]
        elif self.text_encoder is not None:
            embeds = self.text_encoder.encode(vocabulary.names)
        else:
            raise InputError(
                f"No text embeddings for the {len(vocabulary)} classes {vocabulary.names[:3]}...: "
                "set model.roi_head.classifier.text_bank to an embedding file of these classes "
                "('vovtrack prompts encode' makes one) or model.roi_head.classifier.text_encoder "
                "to a CLIP text encoder."
            )
        self._check_shape(embeds, vocabulary)
        return F.normalize(embeds.float(), dim=1).to(self.background.weight.device)

    def _check_shape(self, embeds: Tensor, vocabulary: Vocabulary) -> None:
        if embeds.shape != (len(vocabulary), self.bank.shape[1]):
            raise InputError(
                f"The text bank has shape {tuple(embeds.shape)}, but {len(vocabulary)} classes of "
                f"{self.bank.shape[1]} dimensions are expected."
            )

    def _file_rows(self, vocabulary: Vocabulary) -> tuple[list[int], int] | None:
        """Rows of the file that hold the vocabulary, and how many it has; None if it does not."""
        lvis = Vocabulary.load("lvis_v1")
        names = text_bank_names(self.text_bank)
        if names is not None:
            places = {name: row for row, name in enumerate(names)}
            if set(vocabulary.names) <= set(places):
                return [places[name] for name in vocabulary.names], len(names)
            return None
        if set(vocabulary.names) <= set(lvis.names):
            return [lvis.label_of(i) for i in vocabulary.category_ids], len(lvis)
        # Without names nothing but the number of rows can be checked.
        return (
            None
            if self.text_encoder is not None
            else (list(range(len(vocabulary))), len(vocabulary))
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
