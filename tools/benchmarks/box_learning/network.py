"""The trained tracker among its rivals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from tools.benchmarks.box_learning.videos import Rival, Video
from vovtrack.engine.online import OnlineTracker
from vovtrack.engine.weights.checkpoint import load_checkpoint_into
from vovtrack.registry import DATASETS, MODELS, TASK_UTILS
from vovtrack.sot.models.dimp import DiMP
from vovtrack.structures import Target

BATCHES = 10
"""From which an untrained network gets the statistics of its norms, and which overlaps are of."""


def load(cfg: Config, seed: int, weights: Path | None = None) -> nn.Module:
    """The network of a config; without weights, one that has learned nothing but statistics."""
    init_default_scope(cfg.get("default_scope", "mmdet"))
    set_random_seed(seed)
    model = MODELS.build(cfg.model)
    if weights:
        load_checkpoint_into(model, weights)
    else:
        _calibrate(model.train(), cfg)
    return model.eval()


def tracker(cfg: Config, model: nn.Module, refined: bool = True) -> OnlineTracker:
    """The tracker of a config.

    Args:
        cfg: The config.
        model: Its network.
        refined: Whether boxes are fitted; else they keep their size and follow the centre.
    """
    found: OnlineTracker = TASK_UTILS.build(dict(cfg.online, model=model))
    if not refined:
        found._fit_boxes = lambda targets, maps: None  # type: ignore[attr-defined]
    return found


def rival(following: OnlineTracker) -> Rival:
    """A tracker as a way to follow boxes."""

    def follow(video: Video) -> NDArray[np.float64]:
        corner, size = video.boxes[0, :2], video.boxes[0, 2:]
        following.start(
            video.frames[0], Target(boxes=np.concatenate([corner, corner + size])[None])
        )
        boxes = np.concatenate([following.step(frame).bboxes for frame in video.frames])
        return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(float)

    return follow


@torch.no_grad()
def rank_correlation(cfg: Config, model: DiMP) -> float:
    """Spearman's correlation of foretold and true overlaps of an image's proposals, the mean.

    Args:
        cfg: A config of training, with data that the network has not learned from.
        model: Its network, in evaluation mode.
    """
    found = []
    set_random_seed(0)
    for batch in _batches(cfg, model):
        samples = batch["data_samples"]
        truth = {
            name: torch.stack([sample.get(name) for sample in samples], dim=1)
            for name in ("train_boxes", "test_proposals", "test_overlap")
        }
        frames = model.normalize(torch.stack(list(batch["inputs"]), dim=1))
        parts = frames.split([len(truth["train_boxes"]), len(truth["test_proposals"])])
        train, test = (model.extract(part.flatten(0, 1)) for part in parts)
        first = (train[0][: len(samples)], train[1][: len(samples)])
        foretold = model.iou_net.foretell(
            first, truth["train_boxes"][0], test, truth["test_proposals"]
        )
        pairs = zip(foretold.flatten(0, 1), truth["test_overlap"].flatten(0, 1), strict=True)
        found += [spearmanr(ours, true).statistic for ours, true in pairs]
    return float(np.mean(found))


@torch.no_grad()
def _calibrate(model: nn.Module, cfg: Config) -> None:
    for batch in _batches(cfg, model):
        model(**batch, mode="loss")


def _batches(cfg: Config, model: nn.Module) -> Iterator[dict]:
    """Some batches of the data that a config trains with."""
    loader = cfg.train_dataloader
    dataset = DATASETS.build(loader.dataset)
    for number in range(BATCHES):
        rows = range(number * loader.batch_size, (number + 1) * loader.batch_size)
        batch = pseudo_collate([dataset[row % len(dataset)] for row in rows])
        yield model.data_preprocessor(batch, training=True)
