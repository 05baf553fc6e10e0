"""The point tracker among its rivals."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from torch import Tensor

from tools.benchmarks.point_learning.videos import Found, Rival, Video
from vovtrack.engine.weights.checkpoint import load_checkpoint_into
from vovtrack.point.models import PointModel, PointState, Prediction
from vovtrack.point.video import follow_points
from vovtrack.registry import MODELS


def load(cfg: Config, seed: int, weights: Path | None = None) -> PointModel:
    """The network of a config; without weights, one that has not learned."""
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    if weights:
        load_checkpoint_into(model, weights)
    return model.eval()


def rival(model: PointModel) -> Rival:
    """The network as a way to follow points."""

    def follow(video: Video) -> Found:
        found = follow_points(model, _tensor(video), _queries(video)[None])
        points, visible = found.points[0].transpose(0, 1), found.visible[0].T
        return Found(points.numpy().astype(float), visible.numpy())

    return follow


def without_memory(model: PointModel) -> PointModel:
    """The network, which finds that no slot of its memory was ever filled."""
    step = model.step

    def forgetful(state: PointState, tokens: Tensor, logits: bool = True) -> Prediction:
        state.absent = torch.ones_like(state.absent)
        return step(state, tokens, logits)

    model.step = forgetful  # type: ignore[method-assign]
    return model


@torch.no_grad()
def patch_loss(model: PointModel, videos: Iterable[Video]) -> float:
    """Mean of the weighted loss over patches on videos of the network's own size."""
    found = []
    for video in videos:
        sample = BaseDataElement(
            queries=_queries(video),
            gt_points=torch.from_numpy(video.points.transpose(1, 0, 2)).float(),
            gt_visible=torch.from_numpy(video.visible.T.copy()),
        )
        found.append(float(model.loss(list(_tensor(video).float()), [sample])["point_loss"]))
    return float(np.mean(found))


def _tensor(video: Video) -> Tensor:
    """The frames, (1, T, 3, H, W)."""
    return torch.from_numpy(video.frames.transpose(0, 3, 1, 2).copy())[None]


def _queries(video: Video) -> Tensor:
    """The points of the first frame, (N, 3) as frame, x and y."""
    first = torch.from_numpy(video.points[:, 0]).float()
    return torch.cat([torch.zeros(len(first), 1), first], dim=1)
