"""Points through the frames of one video, as they come: what every use of the model is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.point.models import PointModel, PointState
from vovtrack.point.models.patches import point_grid

SUPPORT = -1
"""Id of the points of the support grid."""
GRID_MARGIN = 64
"""The support grid keeps this part of the frame's width from all borders, as in the original."""


@dataclass(frozen=True)
class Found:
    """Where points are in one frame.

    Attributes:
        ids: (n,) int64.
        points: (n, 2) x and y in pixels of the frame as given.
        visible_logit: (n,) that a point can be seen.
        uncertainty_logit: (n,) that a point is hidden or far from its true place.
    """

    ids: Tensor
    points: Tensor
    visible_logit: Tensor
    uncertainty_logit: Tensor


class PointFollower:
    """Follows points, of which more may come and some may go at any frame.

    Memory grows with the number of points, not with that of frames. Points that were not asked for
    yet take no part: nothing that is computed before a point's frame depends on it.

    Args:
        model: In evaluation mode.
    """

    def __init__(self, model: PointModel) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Forget all points."""
        self._state: PointState | None = None
        self._rows = torch.empty(0, dtype=torch.long)
        self._waiting = torch.empty(0, 2)
        self._next_id = 0

    def __len__(self) -> int:
        """Points that were asked for and are followed."""
        return int((self._rows != SUPPORT).sum())

    def add(self, points: Tensor) -> list[int]:
        """Follow points from the next frame on.

        Args:
            points: (n, 2) x and y in pixels of that frame.

        Returns:
            Their ids, in order.
        """
        ids = torch.arange(self._next_id, self._next_id + len(points))
        self._next_id += len(points)
        self._rows = torch.cat([self._rows, ids])
        self._waiting = torch.cat([self._waiting, points.float().cpu()])
        return ids.tolist()

    def drop(self, ids: Tensor) -> None:
        """Follow some points no longer.

        Args:
            ids: (n,) int64; those that are not followed are passed over.
        """
        kept = ~torch.isin(self._rows, ids)
        started = len(self._rows) - len(self._waiting)
        if self._state is not None:
            self._state.keep(kept[:started].nonzero().squeeze(1).to(self._state.initial.device))
        self._waiting = self._waiting[kept[started:]]
        self._rows = self._rows[kept]

    @torch.inference_mode()
    def step(self, frame: Tensor) -> Found:
        """Find all points in the next frame.

        Args:
            frame: (3, H, W) RGB from 0 to 255.
        """
        height, width = self.model.input_size
        scale = torch.tensor([width / frame.shape[-1], height / frame.shape[-2]])
        first = self._state is None
        if len(self._rows) == 0 and not (first and self.model.test_settings.support_grid):
            return self._found(torch.empty(0, 2), torch.empty(0), torch.empty(0))
        device = next(self.model.parameters()).device
        images = frame[None].to(device).float()
        if images.shape[-2:] != (height, width):
            images = F.interpolate(images, (height, width), mode="bilinear", align_corners=False)
        tokens = self.model.encode(images)
        if self._state is None:
            self._state = self._begin(tokens)
        if len(self._waiting):
            self._state.add(self._sample(tokens, self._waiting * scale)[None])
            self._waiting = self._waiting[:0]
        found = self.model.step(self._state, tokens, logits=False)
        logits = torch.stack([found.visible_logit, found.uncertainty_logit], dim=-1)
        said = torch.cat([found.points, logits], dim=-1)[0].float().cpu()
        return self._found(said[:, :2] / scale, said[:, 2], said[:, 3])

    def _begin(self, tokens: Tensor) -> PointState:
        """The support grid, which is followed from the first frame on."""
        count, size = self.model.test_settings.support_grid, self.model.input_size
        grid = point_grid(count, size, size[1] / GRID_MARGIN)
        self._rows = torch.cat([torch.full((count**2,), SUPPORT), self._rows])
        return self.model.start(self._sample(tokens, grid)[None])

    def _sample(self, tokens: Tensor, points: Tensor) -> Tensor:
        points = points.to(tokens.device)
        return self.model.sample(tokens, points, points.new_zeros(len(points), dtype=torch.long))

    def _found(self, points: Tensor, visible: Tensor, uncertain: Tensor) -> Found:
        own = self._rows != SUPPORT
        return Found(self._rows[own], points[own], visible[own], uncertain[own])
