"""What prompt learning asks of class embeddings: base regions their class, background no class.

Notation of DetPro (Du et al., CVPR 2022, section 3.3): ``logits`` (B, C) are cosines divided by
the temperature, label C is background, ``class_weights`` (C + 1) balance classes and background.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.errors import one_of


def class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """Weights (C + 1,) that balance the classes of a training set, and background against them.

    ``N / (C n_c)`` for class ``c`` and ``N / (2 n_bg)`` for background; classes that do not occur
    get weight 0, for nothing is weighted with it.

    Args:
        labels: (N,) labels of the whole set, ``num_classes`` for background.
        num_classes: C.
    """
    counts = torch.bincount(labels, minlength=num_classes + 1).double()
    share = torch.full_like(counts, num_classes)
    share[-1] = 2
    weights = len(labels) / (share * counts)
    return torch.where(counts > 0, weights, 0.0).float()


def _foreground(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy of base regions, summed."""
    background = logits.shape[1]
    losses = F.cross_entropy(logits, labels, ignore_index=background, reduction="none")
    return (weights[labels] * losses).sum()


def _background(losses: Tensor, labels: Tensor, weights: Tensor, num_classes: int) -> Tensor:
    """Weighted losses (B,) of background regions, summed.

    All rows are computed and some not counted: to pick them, a GPU would have to report to the CPU.
    """
    return weights[-1] * losses.where(labels == num_classes, 0.0).sum()


def soft(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Background is as likely each class as any other: the loss of the paper (eq. 6 and 7)."""
    uniform = -F.log_softmax(logits, dim=1).mean(dim=1)
    background = _background(uniform, labels, weights, logits.shape[1])
    return (_foreground(logits, labels, weights) + background) / weights[labels].sum()


def hinge(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Background gives no class more than a uniform probability."""
    num_classes = logits.shape[1]
    excess = (torch.softmax(logits, dim=1) - 1 / num_classes).clamp(min=0).sum(dim=1)
    background = _background(excess, labels, weights, num_classes)
    return (_foreground(logits, labels, weights) + background) / len(labels)


def _with_column(logits: Tensor, column: Tensor) -> Tensor:
    return torch.cat([logits, column[:, None]], dim=1)


def mean(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Background is one more class, whose logit is the mean of the others."""
    return F.cross_entropy(_with_column(logits, logits.mean(dim=1)), labels, weights)


def mean_background(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """As :func:`mean` for background; base regions compete without it."""
    extended = _with_column(logits, logits.mean(dim=1))
    losses = F.cross_entropy(extended, labels, reduction="none")
    background = _background(losses, labels, weights, logits.shape[1])
    return (_foreground(logits, labels, weights) + background) / len(labels)


def largest(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Background is one more class, with logit one minus the largest of the others.

    By log-softmax: a softmax followed by a logarithm underflows from a cosine of about 0.52 on.
    """
    column = 1 - logits.max(dim=1).values
    return F.cross_entropy(_with_column(logits, column), labels, weights)


def learned(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The last column belongs to a background embedding that is learned along."""
    return F.cross_entropy(logits, labels, weights)


def base_only(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Regions of base classes alone; the set must have no background."""
    return F.cross_entropy(logits, labels, weights[: logits.shape[1]])


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "soft": soft,
    "hinge": hinge,
    "mean": mean,
    "meanbg": mean_background,
    "max": largest,
    "learn": learned,
    "fg_only": base_only,
}
"""Names of the released code."""


def prompt_loss(mode: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The loss of a mode.

    Raises:
        InputError: Unknown mode.
    """
    return LOSSES[one_of("mode", mode, LOSSES)]
