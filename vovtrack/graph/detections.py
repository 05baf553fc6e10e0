"""What a clip's graph is made of: detections, and the nodes that they have been merged into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from vovtrack.errors import InputError

UNKNOWN = -1
"""Identity of a detection that shows no known object."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Detections of a clip, by frame.

    Attributes:
        frame: (N,) int64, ascending.
        box: (N, 4) float32 (left, top, width, height) in pixels.
        embedding: (N, D) float32, what they look like.
        fps: (N,) float32 frames per second of their video.
        identity: (N,) int64 object that they show, ``UNKNOWN`` where it is not known.
    """

    frame: Tensor
    box: Tensor
    embedding: Tensor
    fps: Tensor
    identity: Tensor

    @classmethod
    def of(
        cls,
        frame: ArrayLike,
        box: ArrayLike,
        embedding: ArrayLike,
        fps: float,
        identity: ArrayLike | None = None,
    ) -> Detections:
        """From arrays of one video.

        Args:
            frame: (N,) numbers of frames, ascending.
            box: (N, 4) (left, top, width, height) in pixels.
            embedding: (N, D).
            fps: Frames per second.
            identity: (N,) if known.

        Raises:
            InputError: Lengths differ, frames descend, a box or embedding is not finite, or a box
                has no area.
        """
        frames = torch.as_tensor(frame, dtype=torch.int64)
        boxes = torch.as_tensor(box, dtype=torch.float32).reshape(-1, 4)
        embeddings = torch.as_tensor(embedding, dtype=torch.float32)
        count = len(frames)
        known = torch.full((count,), UNKNOWN) if identity is None else torch.as_tensor(identity)
        if not count == len(boxes) == len(embeddings) == len(known):
            raise InputError(
                f"{count} frames, {len(boxes)} boxes, {len(embeddings)} embeddings and "
                f"{len(known)} identities: every detection needs one of each."
            )
        if (frames.diff() < 0).any():
            raise InputError("The frames of detections must not descend; sort them by frame.")
        usable = boxes.isfinite().all(dim=1) & (boxes[:, 2:] > 0).all(dim=1)
        usable &= embeddings.isfinite().all(dim=1)
        if not usable.all():
            row = int((~usable).nonzero()[0])
            raise InputError(
                f"Detection {row} (frame {frames[row]}): expected finite numbers, a positive width "
                f"and a positive height, not {boxes[row].tolist()}. Leave it out."
            )
        rates = torch.full((count,), float(fps))
        return cls(frames, boxes, embeddings, rates, known.to(torch.int64))

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, rows: Tensor) -> Detections:
        """Only some of them, by ascending indices."""
        return Detections(*(getattr(self, name.name)[rows] for name in fields(self)))

    def to(self, device: torch.device | str) -> Detections:
        """On a device."""
        return Detections(*(getattr(self, name.name).to(device) for name in fields(self)))


def join(clips: Sequence[Detections], reach: int) -> Detections:
    """Several clips as one, whose graph is that of each of them side by side.

    Args:
        clips: Each with a detection.
        reach: Frames that a node of the last level may span. Clips begin at multiples of it, so
            that no pair is of two of them.
    """
    spans = [int(clip.frame[-1] - clip.frame[0]) + 1 for clip in clips]
    stride = reach * max(-(-span // reach) for span in spans)
    frames = [clip.frame - clip.frame[0] + stride * k for k, clip in enumerate(clips)]
    rest = (
        torch.cat([getattr(clip, name) for clip in clips])
        for name in ("box", "embedding", "fps", "identity")
    )
    return Detections(torch.cat(frames), *rest)


def centred(box: Tensor) -> Tensor:
    """Boxes (..., 4) by their centre: (x, y, width, height)."""
    return torch.cat([box[..., :2] + box[..., 2:] / 2, box[..., 2:]], dim=-1)


def feet(box: Tensor) -> Tensor:
    """The middle of the lower edge of boxes (..., 4): (..., 2)."""
    return torch.stack([box[..., 0] + box[..., 2] / 2, box[..., 1] + box[..., 3]], dim=-1)


@dataclass(frozen=True, eq=False)
class Nodes:
    """Clusters of detections; at the first level each detection is one.

    Attributes:
        start: (M,) int64 first frame, ascending.
        end: (M,) int64 last frame.
        start_box: (M, 4) box in the first frame.
        end_box: (M, 4) box in the last frame.
        embedding: (M, D) mean over the members.
        fps: (M,) frames per second.
        identity: (M,) int64 object that most members show.
    """

    start: Tensor
    end: Tensor
    start_box: Tensor
    end_box: Tensor
    embedding: Tensor
    fps: Tensor
    identity: Tensor

    def __len__(self) -> int:
        return len(self.start)


def nodes_of(
    detections: Detections, cluster: Tensor | None = None, min_share: float = 0.5
) -> Nodes:
    """The nodes of a level.

    Args:
        detections: N of a clip.
        cluster: (N,) number of each detection's cluster, from 0, in the order of first frames; None
            if each is one of its own.
        min_share: Members that must agree on an identity; otherwise it is ``UNKNOWN``.

    Raises:
        InputError: A number is missing, or clusters are not in the order of their first frames.
    """
    d = detections
    if cluster is None:
        return Nodes(d.frame, d.frame, d.box, d.box, d.embedding, d.fps, d.identity)
    count = int(cluster.max()) + 1 if len(cluster) else 0
    size = torch.bincount(cluster, minlength=count)
    first = edge_member(cluster, d.frame, count, latest=False)
    last = edge_member(cluster, d.frame, count, latest=True)
    start = d.frame[first.clamp(max=len(d) - 1)]
    if (size == 0).any() or (start.diff() < 0).any():
        raise InputError("Clusters must be numbered from 0 in the order of their first frames.")
    total = d.embedding.new_zeros(count, d.embedding.shape[1]).index_add_(0, cluster, d.embedding)
    return Nodes(
        start=start,
        end=d.frame[last],
        start_box=d.box[first],
        end_box=d.box[last],
        embedding=total / size[:, None],
        fps=d.fps[first],
        identity=_majority(cluster, d.identity, size, min_share),
    )


def edge_member(cluster: Tensor, frame: Tensor, count: int, latest: bool) -> Tensor:
    """The first or last member of each cluster, of several in one frame the first.

    Args:
        cluster: (N,) number of each member's cluster.
        frame: (N,) frame of each member.
        count: Number of clusters, M.
        latest: The last instead of the first.

    Returns:
        (M,) indices of members, N for a cluster without any.
    """
    reduce = "amax" if latest else "amin"
    edge = frame.new_zeros(count).scatter_reduce_(0, cluster, frame, reduce, include_self=False)
    row = torch.arange(len(frame), device=frame.device)
    row = torch.where(frame == edge[cluster], row, len(frame))
    return row.new_full((count,), len(frame)).scatter_reduce_(0, cluster, row, "amin")


def _majority(cluster: Tensor, identity: Tensor, size: Tensor, min_share: float) -> Tensor:
    """The most frequent identity of each cluster, of equally frequent ones the smallest."""
    if not len(cluster):
        return identity
    lowest = identity.min()
    names = identity.max() - lowest + 1
    key, votes = (cluster * names + identity - lowest).unique(return_counts=True)
    owner, name = key // names, key % names + lowest
    order = votes.argsort(descending=True, stable=True)
    order = order[owner[order].argsort(stable=True)]
    candidates = torch.bincount(owner, minlength=len(size))
    best = order[candidates.cumsum(0) - candidates]
    agreed = votes[best] / size >= min_share
    return torch.where(agreed, name[best], UNKNOWN)
