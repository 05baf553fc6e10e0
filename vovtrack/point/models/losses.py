"""What Track-On learns from: patches, offsets, visibility and doubt, over a whole clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vovtrack.point.models.patches import patch_index
from vovtrack.point.models.state import Prediction
from vovtrack.registry import MODELS

WEIGHTS = dict(point_loss=3.0, point_loss_local=3.0)
"""Published weights of losses, by their names; that of the others is 1."""


@MODELS.register_module()
class PointLosses(nn.Module):
    """The six losses of Track-On (Aydemir et al., ICLR 2025, section 3.4), each a masked mean.

    A point is asked for in the frames after that of its query. Where it is also visible, the
    logits over all patches should name its patch, before and after re-ranking, and every layer's
    offset should lead from the chosen patch to it. Visibility, and doubt of the point and of each
    candidate patch, are learned in all frames in which it is asked for. All means are over the
    points of all clips and frames at once; without any they are 0.

    Args:
        after_query: Points are asked for from the frame after that of their query on; else in all
            frames, also before it.
        temperature: Logits over patches are divided by it.
        far: Pixels from which on a place is wrong and should be doubted. Two patches in the
            published training.
        most: Pixels from which on an offset that is off by more costs no more.
        weights: By the names of the losses; those left out are the published ones.
    """

    doubted = "points"
    """Of a prediction, the place that is doubted."""

    def __init__(
        self,
        after_query: bool = True,
        temperature: float = 0.05,
        far: float = 8.0,
        most: float = 8.0,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.after_query = after_query
        self.temperature = temperature
        self.far = far
        self.most = most
        self.weights = {**WEIGHTS, **(weights or {})}

    def forward(
        self,
        clip: Sequence[Prediction],
        points: Tensor,
        visible: Tensor,
        query_times: Tensor,
        size: tuple[int, int],
        stride: int,
    ) -> dict[str, Tensor]:
        """The weighted losses by name.

        Args:
            clip: What was predicted in each of T frames, with the logits over all patches.
            points: (B, T, N, 2) where the points are, pixels of the network's input.
            visible: (B, T, N) bool.
            query_times: (B, N) frame of each query.
            size: (H, W) of the input.
            stride: Side of a patch.
        """
        asked = self.asked(len(clip), query_times)
        found, both = _Rows(clip, asked), _Rows(clip, asked & visible)
        patch = patch_index(both.of(points), size, stride)
        terms = dict(
            point_loss=self._patch_loss(both["c1"], patch),
            point_loss_local=self._patch_loss(both["c2"], patch),
            **self._terms(found, both, points, found.of(visible)),
        )
        return {name: self.weights.get(name, 1.0) * value for name, value in terms.items()}

    def _terms(self, found: _Rows, both: _Rows, points: Tensor, seen: Tensor) -> dict[str, Tensor]:
        """The losses besides those over all patches, by name.

        Args:
            found: Predictions of points that are asked for.
            both: Those of them that are visible.
            points: (B, T, N, 2) where all points are.
            seen: (R,) which rows of ``found`` are visible.
        """
        there = found.of(points)
        return dict(
            visibility_loss=_doubt(found["visible_logit"], seen),
            offset_loss=self._offset_loss(both["offsets"], both.of(points) - both["patch"]),
            uncertainty_loss=_doubt(
                found["uncertainty_logit"], ~seen | self._is_far(found[self.doubted], there)
            ),
            uncertainty_loss_topk=_doubt(
                found["top_unc"],
                ~seen[:, None] | self._is_far(found["top_points"], there[:, None]),
            ),
        )

    def asked(self, length: int, query_times: Tensor) -> Tensor:
        """Whether points are asked for, (B, T, N), in clips of a length."""
        frames = torch.arange(length, device=query_times.device)[:, None]
        after = frames > query_times[:, None]
        return after if self.after_query else torch.ones_like(after)

    def _patch_loss(self, logits: Tensor, patch: Tensor) -> Tensor:
        """Cross-entropy of logits (R, P) over patches."""
        return _mean(F.cross_entropy(logits / self.temperature, patch, reduction="none"))

    def _offset_loss(self, offsets: Tensor, target: Tensor) -> Tensor:
        """Distance along both axes of the offsets (R, L, 2) of all layers."""
        return _mean((offsets - target[:, None]).abs().sum(-1).clamp(max=self.most))

    def _is_far(self, points: Tensor, there: Tensor) -> Tensor:
        return (points - there).norm(dim=-1) > self.far


@MODELS.register_module()
class RankedPointLosses(PointLosses):
    """The seven losses of Track-On2 (Aydemir et al., arXiv 2509.19115).

    They are those of Track-On, but that the patch is doubted and not the point, and a ranking: of
    the candidate patches of a visible point, the nearest should have the highest score.

    Args:
        far: Pixels from which on a place should be doubted. Three patches in the published
            training.
        **kwargs: Of :class:`PointLosses`.
    """

    doubted = "patch"

    def __init__(self, far: float = 12.0, **kwargs: Any) -> None:
        super().__init__(far=far, **kwargs)

    def _terms(self, found: _Rows, both: _Rows, points: Tensor, seen: Tensor) -> dict[str, Tensor]:
        terms = super()._terms(found, both, points, seen)
        distance = (both["top_points"] - both.of(points)[:, None]).norm(dim=-1)
        ranking = F.cross_entropy(both["top_score"], distance.argmin(-1), reduction="none")
        return dict(terms, ranking_loss=_mean(ranking))


class _Rows:
    """Predictions of a clip for some of its points, one row for each of them and frame.

    Args:
        clip: T predictions for (B, N) points.
        chosen: (B, T, N) bool.
    """

    def __init__(self, clip: Sequence[Prediction], chosen: Tensor) -> None:
        self.clip = clip
        self.chosen = chosen.transpose(0, 1)

    def __getitem__(self, name: str) -> Tensor:
        """An attribute of the predictions, (R, ...)."""
        frames = (getattr(prediction, name) for prediction in self.clip)
        if name == "offsets":
            frames = (frame.permute(1, 2, 0, 3) for frame in frames)
        pairs = zip(frames, self.chosen, strict=True)
        return torch.cat([frame[rows] for frame, rows in pairs])

    def of(self, truth: Tensor) -> Tensor:
        """The same rows (R, ...) of (B, T, N, ...)."""
        return truth.transpose(0, 1)[self.chosen]


def _doubt(logits: Tensor, target: Tensor) -> Tensor:
    return _mean(F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none"))


def _mean(values: Tensor) -> Tensor:
    """The mean, and 0 of nothing, through which gradients are 0."""
    return values.sum() / max(1, values.numel())
