"""Fusing what the text branch and the image branch believe about a class."""

from __future__ import annotations

import torch
from torch import Tensor

from vovtrack.errors import InputError, one_of
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary


@MODELS.register_module()
class GeometricScoreFusion:
    """Weighted geometric mean of two class probabilities (ViLD, eq. 5; DetPro, section 4.1).

    Base classes trust the text branch by ``1 - alpha``, novel classes the image branch.

    Args:
        alpha: Exponent of the less trusted branch.
        novel_mask: Which classes count as novel, see ``Vocabulary.fusion_mask``: ``released`` is
            the published mask (off by one on the TAO splits, kept for parity with published
            numbers), ``novel`` the true one, ``none`` treats all classes as base.
        fixed_text_weight: Exponent of the text branch for all classes, for vocabularies
            without a base/novel split; None uses the mask.
        image_temperature: Divides the cosines of the image branch, which are as sure as the CLIP
            that it imitates; None takes the classifier's.
    """

    def __init__(
        self,
        alpha: float = 1 / 3,
        novel_mask: str = "novel",
        fixed_text_weight: float | None = None,
        image_temperature: float | None = None,
    ) -> None:
        one_of("novel_mask", novel_mask, ("released", "novel", "none"))
        self.alpha = alpha
        self.novel_mask = novel_mask
        self.fixed_text_weight = fixed_text_weight
        self.image_temperature = image_temperature

    def text_weights(self, vocabulary: Vocabulary) -> Tensor:
        """(C + 1,) exponents of the text branch; the image branch gets the rest."""
        if self.fixed_text_weight is not None:
            return torch.full((len(vocabulary) + 1,), self.fixed_text_weight)
        try:
            novel = torch.tensor(vocabulary.fusion_mask(self.novel_mask))
        except InputError:
            # A user's own words have no published mask.
            novel = torch.tensor(vocabulary.fusion_mask("novel"))
        novel = torch.cat([novel, novel.new_zeros(1)])
        return torch.where(novel, self.alpha, 1 - self.alpha)

    def __call__(self, text_logits: Tensor, image_logits: Tensor, text_weights: Tensor) -> Tensor:
        """Fuse.

        Args:
            text_logits: (N, C + 1), background last.
            image_logits: (N, C + 1), the last column -inf or names that compete unreported.
            text_weights: (C + 1,) from :meth:`text_weights`, on the same device.

        Returns:
            (N, C + 1) fused probabilities, not normalised; the background is exactly 0.
        """
        text = torch.log_softmax(text_logits, dim=1)[:, :-1]
        image = torch.log_softmax(image_logits, dim=1)[:, :-1]
        weights = text_weights[:-1]
        fused = torch.exp(weights * text + (1 - weights) * image)
        return torch.cat([fused, fused.new_zeros(len(fused), 1)], dim=1)

    def bounds(self, text_logits: Tensor, text_weights: Tensor) -> Tensor:
        """What no fused probability of a region exceeds, whatever the image branch says, (N,).

        The image branch believes a class by at most 1, so ``p_text ** w * p_image ** (1 - w)`` is
        at most ``p_text ** w``, which it reaches where the image branch is sure of that class.

        Arguments as of a call.
        """
        text = torch.log_softmax(text_logits, dim=1)[:, :-1]
        return torch.exp((text_weights[:-1] * text).amax(dim=1))
