"""How trackable a region looks, judged by pairs of state words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.errors import InputError, one_of
from vovtrack.registry import MODELS

STATE_PAIRS = (
    ("complete", "incomplete"),
    ("unoccluded", "occluded"),
    ("unobscured", "obscured"),
    ("recognizable", "unrecognizable"),
)
"""The published pairs, favourable state first."""


class StatePairs(nn.Module):
    """Pairs of state words, and what an embedding says about them.

    Args:
        text_encoder: Config of an encoder with ``encode(names) -> (K, D)``; bare words, so its
            templates should be ``name``.
        pairs: (favourable, unfavourable) words.
        temperature: Divides the cosines of a pair.

    Raises:
        InputError: A malformed pair.
    """

    states: Tensor

    def __init__(
        self,
        text_encoder: dict,
        pairs: Sequence[tuple[str, str]] = STATE_PAIRS,
        temperature: float = 0.007,
    ) -> None:
        super().__init__()
        _check_pairs(pairs)
        self.pairs = tuple(tuple(pair) for pair in pairs)
        self.text_encoder = MODELS.build(text_encoder)
        self.temperature = temperature
        self.register_buffer("states", torch.empty(0), persistent=False)

    def state_embeds(self) -> Tensor:
        """(K, D, 2) unit embeddings of the words, favourable ones first; encoded at first use."""
        if len(self.states) == 0:
            words = [word for pair in self.pairs for word in pair]
            embeds = F.normalize(self.text_encoder.encode(words).float(), dim=1)
            self.states = embeds.view(len(self.pairs), 2, -1).transpose(1, 2).to(self.states.device)
        return self.states

    def probability(self, embeds: Tensor) -> Tensor:
        """How trackable regions look, (N,) in [0, 1], of unit embeddings (N, D).

        Raises:
            InputError: Embeddings of another size than those of the state words.
        """
        states = self.state_embeds().to(embeds.device)
        if embeds.shape[1] != states.shape[1]:
            raise InputError(
                f"Regions have {embeds.shape[1]} dimensions, the state words {states.shape[1]}: "
                "give state_attention.text_encoder the CLIP that the model was trained with."
            )
        scores = torch.einsum("nd,kds->nks", embeds.float(), states) / self.temperature
        return torch.softmax(scores, dim=2)[:, :, 0].mean(dim=1)


@MODELS.register_module()
class StateAttention(StatePairs):
    """Weights regions of the classification loss by their tracking state.

    A region is compared with both words of each pair; the probability of the favourable one,
    averaged over pairs, is 0 below ``low``, 1 above ``high`` and itself between (VOVTrack, Qian
    et al., ICCV 2025, tracking-state-aware prompts). The released training lets gradients flow
    through the weight, so that the loss also falls by making regions look bad, and divides by the
    number of regions; ``detach`` and ``normalize`` choose otherwise.

    Args:
        text_encoder: Config of an encoder with ``encode(names) -> (K, D)``; bare words, so its
            templates should be ``name``.
        pairs: (favourable, unfavourable) words.
        temperature: Divides the cosines of a pair.
        low: At most this probability is weight 0.
        high: At least this probability is weight 1.
        detach: Treat weights as constants.
        apply_to: ``all`` regions, or ``foreground`` alone: background then has weight 1.
        only_labels: Regions of other labels get weight 0; None restricts nothing.
        scope: ``loss`` weights the loss of a region, ``logits`` its logits (a temperature per
            region).
        normalize: Divide by the ``count`` of regions, or by the ``sum`` of the weights.

    Raises:
        InputError: A malformed pair or an unknown choice.
    """

    def __init__(
        self,
        text_encoder: dict,
        pairs: Sequence[tuple[str, str]] = STATE_PAIRS,
        temperature: float = 0.007,
        low: float = 0.4,
        high: float = 0.7,
        detach: bool = False,
        apply_to: Literal["all", "foreground"] = "all",
        only_labels: Sequence[int] | None = None,
        scope: Literal["loss", "logits"] = "loss",
        normalize: Literal["count", "sum"] = "count",
    ) -> None:
        super().__init__(text_encoder, pairs, temperature)
        for name, value, choices in (
            ("apply_to", apply_to, ("all", "foreground")),
            ("scope", scope, ("loss", "logits")),
            ("normalize", normalize, ("count", "sum")),
        ):
            one_of(name, value, choices)
        self.low, self.high = low, high
        self.detach = detach
        self.apply_to = apply_to
        self.only_labels = only_labels
        self.scope = scope
        self.normalize = normalize

    def clamp(self, probability: Tensor) -> Tensor:
        """Apply the thresholds, which count as float32; the lower one comes first."""
        low, high = probability.new_tensor([self.low, self.high], dtype=torch.float32)
        ones, zeros = torch.ones_like(probability), torch.zeros_like(probability)
        clamped = torch.where(probability >= high, ones, probability)
        return torch.where(probability <= low, zeros, clamped)

    def forward(self, embeds: Tensor, labels: Tensor, background: int) -> Tensor:
        """Weights of regions.

        Args:
            embeds: (N, D) unit embeddings of the text branch.
            labels: (N,) labels.
            background: The label of background.

        Returns:
            (N,) weights in [0, 1].
        """
        weights = self.clamp(self.probability(embeds))
        if self.detach:
            weights = weights.detach()
        if self.apply_to == "foreground":
            weights = torch.where(labels == background, torch.ones_like(weights), weights)
        if self.only_labels is not None:
            chosen = torch.isin(labels, labels.new_tensor(self.only_labels))
            weights = torch.where(chosen, weights, torch.zeros_like(weights))
        return weights

    def scale_logits(self, logits: Tensor, weights: Tensor) -> Tensor:
        """Logits (N, C) as the loss sees them."""
        return logits * weights[:, None] if self.scope == "logits" else logits

    def reduce(self, losses: Tensor, weights: Tensor) -> Tensor:
        """Losses of regions (N,) as one."""
        if self.scope == "logits":
            return losses.mean()
        total = (weights * losses).sum()
        if self.normalize == "count":
            return total / max(len(losses), 1)
        return total / weights.sum().clamp(min=torch.finfo(weights.dtype).eps)


def _check_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    if isinstance(pairs, str) or not pairs:
        raise InputError("state pairs must be a list of (favourable, unfavourable) words.")
    for number, pair in enumerate(pairs):
        words = () if isinstance(pair, str) else tuple(pair)
        if len(words) != 2 or not all(isinstance(w, str) and w.strip() for w in words):
            raise InputError(
                f"state pair {number} is {pair!r}: expected two words, the favourable one first, "
                "for example ('unoccluded', 'occluded')."
            )
        if words[0] == words[1]:
            raise InputError(f"state pair {number} has the same word {words[0]!r} twice.")
