"""Where in a frame a query is: cosine similarity at four scales, mixed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.point.models.pyramid import Pyramid


def correlation_kernel(pyramid: Pyramid, mix: Tensor) -> Tensor:
    """What one matrix product with a query turns into its similarity at all scales.

    Similarity with the normalised cells of each level, brought to the finest by bilinear sampling
    and mixed, is linear in the query: levels are brought up and mixed once, for all queries.

    Args:
        pyramid: Of the frame.
        mix: (1, 4, 1, 1) weight of each level.

    Returns:
        (B, C, P).
    """
    cells = [height * width for height, width in pyramid.shapes]
    kernel: Tensor | None = None
    levels = F.normalize(pyramid.tokens.float(), dim=-1).transpose(1, 2).split(cells, dim=-1)
    for level, shape, weight in zip(levels, pyramid.shapes, mix.flatten(), strict=True):
        square = (level * weight).unflatten(-1, shape)
        fine = F.interpolate(square, pyramid.shapes[0], mode="bilinear", align_corners=False)
        kernel = fine if kernel is None else kernel + fine
    assert kernel is not None, "a pyramid has levels"
    return kernel.flatten(2)


def correlate(queries: Tensor, kernel: Tensor) -> Tensor:
    """Logits (B, N, P) over the patches of queries (B, N, C); always in single precision."""
    with torch.autocast(queries.device.type, enabled=False):
        return F.normalize(queries.float(), dim=-1) @ kernel
