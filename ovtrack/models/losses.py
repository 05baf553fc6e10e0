"""Contrastive losses on a matrix of similarities between key and reference embeddings."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor

from vovtrack.registry import MODELS


@MODELS.register_module()
class UnbiasedMultiPosCELoss(BaseModule):
    """Cross-entropy of a row with several positives, which share the weight of one.

    With positives P and negatives N of a row z:
    ``log(sum_N exp z + mean_P exp z) - mean_P z``, averaged over the rows that have a positive.
    The plain multi-positive loss of QDTrack (Pang et al., CVPR 2021, eq. 5) counts every
    positive in full; this form is the one of OVTrack's released training. It is evaluated by
    log-sum-exp, in memory linear in the matrix.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, loss_weight: float = 0.25) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss of one image pair.

        Args:
            logits: (K, R) similarities of key and reference regions.
            targets: (K, R) bool, True where both show the same object.

        Returns:
            Scalar; 0 (with a graph) if no row has a positive.
        """
        num_pos = targets.sum(dim=1, keepdim=True)
        has_positive = num_pos[:, 0] > 0
        share = torch.where(targets, num_pos, 1).to(logits.dtype).log()
        denominator = torch.logsumexp(logits - share, dim=1)
        positive = (logits * targets).sum(dim=1) / num_pos[:, 0].clamp(min=1)
        rows = torch.where(has_positive, denominator - positive, 0)
        # The epsilon is the released one and keeps an empty sum at 0.
        return self.loss_weight * rows.sum() / (has_positive.sum() + 1.2e-7)


@MODELS.register_module()
class UnbiasedSupConLoss(BaseModule):
    """Contrast of regions by class: those of one class attract each other.

    Supervised contrastive loss (Khosla et al., NeurIPS 2020, eq. 2) on dot products, with the
    denominator of :class:`UnbiasedMultiPosCELoss`, so that the positives of a region share the
    weight of one; as TETer (Li et al., ECCV 2022, section 3.3) trains its class exemplars.

    Args:
        temperature: Divides the dot products.
        base_temperature: The loss is multiplied by ``temperature / base_temperature``.
        loss_weight: Factor of the loss.
    """

    def __init__(
        self, temperature: float = 0.07, base_temperature: float = 0.07, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.multi_pos = UnbiasedMultiPosCELoss(loss_weight * temperature / base_temperature)

    def forward(self, embeds: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss; regions whose class occurs once do not take part.

        Args:
            embeds: (N, D).
            labels: (N,).

        Returns:
            Scalar; 0 (with a graph) if no class occurs twice.
        """
        same = labels[:, None] == labels[None]
        several = same.sum(dim=1) > 1
        embeds, same = embeds[several], same[several][:, several]
        count = len(embeds)
        if count == 0:
            return embeds.sum()
        others = ~torch.eye(count, dtype=torch.bool, device=embeds.device)
        logits = embeds @ embeds.T / self.temperature
        shape = (count, count - 1)
        return self.multi_pos(logits[others].view(shape), same[others].view(shape))


@MODELS.register_module()
class PairMarginL2Loss(BaseModule):
    """Squared distance of cosines to their 0/1 targets, on the hardest negatives.

    Auxiliary loss of QDTrack (eq. 7) with margins. A pair of images without a common object
    averages over all negatives, as VOVTrack does (mmdet's ``MarginL2Loss`` returns 0 there).

    Args:
        neg_pos_ub: Negatives kept per positive.
        pos_margin: Subtracted from the cosine of positives.
        neg_margin: Subtracted from the cosine of negatives.
        loss_weight: Factor of the loss.
    """

    def __init__(
        self,
        neg_pos_ub: int = 3,
        pos_margin: float = 0.0,
        neg_margin: float = 0.1,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.neg_pos_ub = neg_pos_ub
        self.pos_margin = pos_margin
        self.neg_margin = neg_margin
        self.loss_weight = loss_weight

    def forward(self, cosines: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss of one image pair.

        Args:
            cosines: (K, R) cosines of key and reference regions.
            targets: (K, R) bool, True where both show the same object.
        """
        if cosines.numel() == 0:
            return cosines.sum()
        margins = torch.where(targets, self.pos_margin, self.neg_margin)
        errors = ((cosines - margins).clamp(0, 1) - targets.to(cosines.dtype)) ** 2
        num_pos = targets.sum()
        num_neg = targets.numel() - num_pos
        limit = self.neg_pos_ub * num_pos
        limit = torch.where(limit > 0, limit, num_neg).clamp(max=num_neg)
        # Squares are at least 0, so that the positives, set to -1, come after all negatives.
        hardest = errors.masked_fill(targets, -1).flatten().sort(descending=True).values
        kept = torch.arange(len(hardest), device=errors.device) < limit
        total = torch.where(targets, errors, 0).sum() + torch.where(kept, hardest, 0).sum()
        return self.loss_weight * total / (num_pos + limit)
