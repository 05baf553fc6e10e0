"""Which nodes could follow each other: all pairs in time, made in columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vovtrack.errors import InputError


@dataclass(frozen=True, eq=False)
class CandidatePairs:
    """All pairs of a level, told by what may follow each node: a run of nodes.

    Attributes:
        node: (R,) the earlier nodes, in the order of their last frames.
        first: (R,) the first node that may follow.
        count: (R,) how many may.
    """

    node: Tensor
    first: Tensor
    count: Tensor

    @property
    def total(self) -> int:
        """Number of pairs."""
        return int(self.count.sum())

    def blocks(self, most: int) -> Iterator[Tensor]:
        """The pairs in blocks (2, P), in order, at least one.

        Args:
            most: Pairs of a block; a block is larger only to hold all pairs of its last node.
        """
        before = self.count.cumsum(0) - self.count
        edges = torch.arange(0, max(self.total, 1), most, device=before.device)
        cuts = [*torch.searchsorted(before, edges).tolist(), len(self.node)]
        for low, high in zip(cuts[:-1], cuts[1:], strict=True):
            count = self.count[low:high]
            earlier = self.node[low:high].repeat_interleave(count)
            number = torch.arange(len(earlier), device=count.device)
            shift = self.first[low:high] - before[low:high] + before[low : low + 1]
            yield torch.stack([earlier, number + shift.repeat_interleave(count)])

    def all(self) -> Tensor:
        """All pairs (2, P), ordered by the last frame of the earlier node, then by node."""
        return next(self.blocks(self.total + 1))


def candidate_pairs(start: Tensor, end: Tensor, coverage: int) -> CandidatePairs:
    """Pairs of nodes, one of which ends before the other starts, within chunks of frames.

    Chunks begin with the first frame of the first node (SUSHI, Cetintas et al., CVPR 2023,
    section 4: hierarchical graphs). Nodes are in the order of their first frames, so that those
    that may follow a node are a run: nothing is compared that is not a pair.

    Args:
        start: (M,) first frame of each node, ascending.
        end: (M,) last frame.
        coverage: Frames of a chunk.

    Raises:
        InputError: A node lies in two chunks.
    """
    if not len(start):
        return CandidatePairs(start, start, start)
    chunk, last_chunk = ((frame - start[0]) // coverage for frame in (start, end))
    if (chunk != last_chunk).any():
        node = int((chunk != last_chunk).nonzero()[0])
        raise InputError(
            f"Node {node} spans frames {start[node]} to {end[node]}, which lie in two chunks of "
            f"{coverage} frames. The frames of every level must be a multiple of those before."
        )
    chunk_end = torch.searchsorted(chunk, chunk, right=True)
    first = torch.searchsorted(start, end, right=True)
    order = end.argsort(stable=True)
    return CandidatePairs(order, first[order], (chunk_end - first)[order])
