"""Where in a frame a query is: cosine similarity at four scales, mixed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.point.models.blocks import in_chunks
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
    kernel: Tensor | None = None
    levels = Pyramid(F.normalize(pyramid.tokens.float(), dim=-1), pyramid.shapes).maps()
    for level, weight in zip(levels, mix.flatten(), strict=True):
        square = level * weight
        fine = F.interpolate(square, pyramid.shapes[0], mode="bilinear", align_corners=False)
        kernel = fine if kernel is None else kernel + fine
    assert kernel is not None, "a pyramid has levels"
    return kernel.flatten(2)


def correlate(queries: Tensor, kernel: Tensor) -> Tensor:
    """Logits (B, N, P) over the patches of queries (B, N, C); always in single precision."""
    with torch.autocast(queries.device.type, enabled=False):
        return F.normalize(queries.float(), dim=-1) @ kernel


def find_patches(
    queries: Tensor,
    kernel: Tensor,
    k: int,
    logits: bool,
    chunk: int | None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """The patches that are most similar to queries.

    Args:
        queries: (B, N, C).
        kernel: What :func:`correlation_kernel` gives.
        k: How many.
        logits: Whether those over all patches are wanted.
        chunk: Queries at a time where they are not; None for all.
        bias: (1,) that is added to all logits, if any.

    Returns:
        Numbers (B, N, k) of the patches, the best first, and the logits (B, N, P) or None.
    """
    if logits:
        similarity = correlate(queries, kernel)
        similarity = similarity if bias is None else similarity + bias
        return similarity.topk(k).indices, similarity
    return in_chunks(lambda rows: correlate(rows, kernel).topk(k).indices, chunk, queries), None
