"""Contrastive losses on a matrix of similarities between key and reference embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from vovtrack.registry import MODELS


@MODELS.register_module()
class MultiPosCELoss(BaseModule):
    """Cross-entropy of a row with several positives, each against all negatives.

    The loss of QDTrack (Pang et al., CVPR 2021, eq. 5): with positives P and negatives N of a row
    z, ``log(1 + sum_P sum_N exp(z_n - z_p))``, averaged over the rows that have a positive. The
    double sum is a product, so the loss is ``softplus(LSE_N z + LSE_P -z)``, in memory linear in
    the matrix; mmdet's ``MultiPosCrossEntropyLoss`` keeps every pair of a row.

    Args:
        loss_weight: Factor of the loss.
        eps: Added to the number of rows that divides their sum.
    """

    def __init__(self, loss_weight: float = 0.25, eps: float = 0.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.eps = eps

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss of one image pair.

        Args:
            logits: (K, R) similarities of key and reference regions.
            targets: (K, R) bool, True where both show the same object.

        Returns:
            Scalar; 0 (with a graph) if no row has a positive.
        """
        has_positive = targets.any(dim=1)
        rows = torch.where(has_positive, self.row_losses(logits, targets), 0)
        count = has_positive.sum()
        return self.loss_weight * rows.sum() / torch.where(count > 0, count + self.eps, 1)

    def row_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Losses (K,); those of rows without a positive are finite and do not count."""
        # Finite: no backward pass meets a difference of infinities in rows without a negative.
        far = torch.finfo(logits.dtype).min / 4
        negative = torch.logsumexp(logits.masked_fill(targets, far), dim=1)
        positive = torch.logsumexp((-logits).masked_fill(~targets, far), dim=1)
        return F.softplus(negative + positive)


@MODELS.register_module()
class UnbiasedMultiPosCELoss(MultiPosCELoss):
    """Cross-entropy of a row with several positives, which share the weight of one.

    With positives P and negatives N of a row z:
    ``log(sum_N exp z + mean_P exp z) - mean_P z``, averaged over the rows that have a positive.
    :class:`MultiPosCELoss` counts every positive in full; this form is the one of OVTrack's
    released training. It is evaluated by log-sum-exp, in memory linear in the matrix.

    Args:
        loss_weight: Factor of the loss.
        eps: Added to the number of rows that divides their sum; the default is the released one.
    """

    def __init__(self, loss_weight: float = 0.25, eps: float = 1.2e-7) -> None:
        super().__init__(loss_weight, eps)

    def row_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Losses (K,), see :class:`MultiPosCELoss`."""
        num_pos = targets.sum(dim=1, keepdim=True)
        share = torch.where(targets, num_pos, 1).to(logits.dtype).log()
        denominator = torch.logsumexp(logits - share, dim=1)
        return denominator - (logits * targets).sum(dim=1) / num_pos[:, 0].clamp(min=1)


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

    Auxiliary loss of QDTrack (eq. 7) with margins.

    Args:
        neg_pos_ub: Negatives kept per positive, of the whole matrix.
        min_pos: A pair of images with fewer positives keeps the negatives of so many. With 0, as in
            OVTrack, one without a common object averages over all negatives; with 1, as in vis4d,
            over the hardest ones (mmdet's ``MarginL2Loss`` returns 0 there).
        pos_margin: Subtracted from the cosine of positives.
        neg_margin: Subtracted from the cosine of negatives.
        loss_weight: Factor of the loss.
    """

    def __init__(
        self,
        neg_pos_ub: int = 3,
        min_pos: int = 0,
        pos_margin: float = 0.0,
        neg_margin: float = 0.1,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.neg_pos_ub = neg_pos_ub
        self.min_pos = min_pos
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
        limit = self.neg_pos_ub * num_pos.clamp(min=self.min_pos)
        limit = torch.where(limit > 0, limit, num_neg).clamp(max=num_neg)
        # Squares are at least 0, so that the positives, set to -1, come after all negatives.
        hardest = errors.masked_fill(targets, -1).flatten().sort(descending=True).values
        kept = torch.arange(len(hardest), device=errors.device) < limit
        total = torch.where(targets, errors, 0).sum() + torch.where(kept, hardest, 0).sum()
        return self.loss_weight * total / (num_pos + limit)
