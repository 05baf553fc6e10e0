"""Classification by cosine with a bank of class text embeddings."""

from __future__ import annotations

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
    """

    def __init__(
        self,
        embed_dims: int = 512,
        text_bank: str | None = None,
        text_encoder: dict | None = None,
        train_temperature: float = 0.01,
        test_temperature: float = 0.007,
    ) -> None:
        super().__init__(init_cfg=dict(type="Xavier", layer="Linear", distribution="uniform"))
        self.background = nn.Linear(1, embed_dims)
        self.text_bank = text_bank
        self.text_encoder = text_encoder and MODELS.build(text_encoder)
        self.train_temperature = train_temperature
        self.test_temperature = test_temperature
        self.vocabulary: Vocabulary | None = None
        self.register_buffer("bank", torch.empty(0, embed_dims), persistent=False)

    def set_vocabulary(self, vocabulary: Vocabulary, embeds: Tensor | None = None) -> None:
        """Classify into ``vocabulary`` from now on.

        Args:
            vocabulary: The C classes.
            embeds: (C, D) their embeddings; by default read from the file or encoded on first use.
        """
        self.vocabulary = vocabulary
        if embeds is not None and embeds.shape != (len(vocabulary), self.bank.shape[1]):
            raise InputError(
                f"The text bank has shape {tuple(embeds.shape)}, but {len(vocabulary)} classes of "
                f"{self.bank.shape[1]} dimensions are expected."
            )
        rows = self.bank[:0] if embeds is None else F.normalize(embeds.float(), dim=1)
        self.bank = rows.to(self.background.weight.device)

    def class_embeds(self) -> Tensor:
        """(C + 1, D) unit rows: the vocabulary, then the background."""
        if len(self.bank) != len(self.vocabulary):
            self.set_vocabulary(self.vocabulary, self._find_embeds())
        background = self.background.weight[:, 0] + self.background.bias
        return torch.cat([self.bank, F.normalize(background.float(), dim=0)[None]])

    def logits(self, embeds: Tensor, temperature: float) -> Tensor:
        """Scaled cosines.

        Args:
            embeds: (N, D) unit region embeddings.
            temperature: Divides the cosines.

        Returns:
            (N, C + 1) float32 logits, background last.
        """
        # 0.007 leaves bfloat16 too few digits: one step of its cosine would be half a logit.
        with torch.autocast(embeds.device.type, enabled=False):
            return embeds.float() @ (self.class_embeds() / temperature).T

    def _find_embeds(self) -> Tensor:
        vocabulary = self.vocabulary
        rows = self._file_rows() if self.text_bank else None
        if rows is not None:
            return load_text_bank(self.text_bank, rows[1])[rows[0]]
        if self.text_encoder is None:
            raise InputError(
                f"No text embeddings for the {len(vocabulary)} classes {vocabulary.names[:3]}...: "
                "set model.roi_head.classifier.text_bank to an embedding file of these classes "
                "('vovtrack prompts encode' makes one) or model.roi_head.classifier.text_encoder "
                "to a CLIP text encoder."
            )
        return self.text_encoder.encode(vocabulary.names)

    def _file_rows(self) -> tuple[list[int], int] | None:
        """Rows of the file that hold the vocabulary, and how many it has; None if it does not."""
        vocabulary, lvis = self.vocabulary, Vocabulary.load("lvis_v1")
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
