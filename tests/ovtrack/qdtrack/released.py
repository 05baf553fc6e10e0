"""Models with the recorded weights, and the frames that the original saw."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor

from tests.places import ROOT
from tests.recorded import Recorded
from tests.seeded import normal, seeded_state_dict
from vovtrack.engine.load import build_model
from vovtrack.engine.run import load_config

MODELS_OF = {"frcnn": "qdtrack_faster_rcnn_r50.py", "yolox": "qdtrack_yolox_x.py"}
"""Kinds of the recordings -> configs."""
BLOCK = 16
"""Side of the squares of which the recorded frames are made."""
PIXELS, SCORE = 1e-2, 1e-4
"""By how much boxes and scores may differ."""


def model_config(kind: str) -> Config:
    """The config of a kind of model, whose weights are given."""
    config = load_config(ROOT / "configs/_base_/models" / MODELS_OF[kind])
    config.model.detector.backbone.pop("init_cfg", None)
    return config


class Released:
    """A model with recorded weights, and what the original gave for the recorded frames.

    Args:
        recorded: The recordings.
        name: File of one kind of model.
    """

    def __init__(self, recorded: Recorded, name: str) -> None:
        self.recorded = recorded
        self.meta = recorded.meta(name)
        self.arrays = recorded.arrays(name)
        self.config = model_config(self.kind)

    @property
    def kind(self) -> str:
        """Key of ``MODELS_OF``."""
        return self.meta["kind"]

    @cached_property
    def model(self) -> Any:
        """The model in evaluation mode."""
        shapes = self.recorded.json(f"checkpoint_keys_{self.kind}.json")
        weights = seeded_state_dict(shapes, self.recorded.salt)
        for key, gain in self.meta["weight_gain"].items():
            weights[key] *= gain
        for name in self.arrays.files:
            if name.startswith("override/"):
                weights[name.removeprefix("override/")] = self[name]
        if (threshold := self.meta["test_score_thr"]) is not None:
            self.config.model.detector.test_cfg.score_thr = threshold
        model = build_model(self.config)
        model.load_state_dict(weights)
        return model.eval()

    def __getitem__(self, name: str) -> Tensor:
        """A recorded array."""
        return torch.from_numpy(self.arrays[name])

    def frames(self) -> list[Tensor]:
        """The frames (1, 3, H, W) as the network receives them."""
        (height, width), salt = self.meta["padded_hw"], self.recorded.salt
        offsets = self.arrays["offsets"].tolist()
        wide = width + max(offsets)
        blocks = normal((1, 3, math.ceil(height / BLOCK), math.ceil(wide / BLOCK)), salt, "blocks")
        blocks = blocks.repeat_interleave(BLOCK, 2).repeat_interleave(BLOCK, 3)
        picture = blocks[..., :height, :wide]
        picture = picture + 0.25 * normal((1, 3, height, wide), salt, "image")
        inner_height, inner_width = self.meta["images_hw"]
        frames = [picture[..., offset : offset + width].clone() for offset in offsets]
        for frame in frames:
            frame[..., inner_height:, :] = 0
            frame[..., inner_width:] = 0
        return frames

    def sample(self, frame_id: int = 0) -> DetDataSample:
        """What is known of a frame."""
        (height, width), original = self.meta["images_hw"], self.meta["original_hw"]
        return DetDataSample(
            metainfo=dict(
                img_shape=(height, width),
                pad_shape=tuple(self.meta["padded_hw"]),
                ori_shape=tuple(original),
                scale_factor=(width / original[1], height / original[0]),
                frame_id=frame_id,
            )
        )


def alike(ours: Tensor, theirs: Tensor, tolerance: float = 1e-3) -> None:
    """Assert that maps differ by at most a part of the standard deviation of the recorded one."""
    assert ours.shape == theirs.shape
    difference, spread = (ours - theirs).abs().max(), theirs.std()
    assert difference <= tolerance * spread, f"{difference:.2e} of {spread:.2e}"


def places_of(ours: InstanceData, bboxes: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
    """Where each of the recorded boxes (m, 4) is among ``ours``, each at a place of its own.

    Scores may be so close that rounding swaps their boxes: orders are not compared.
    """
    assert len(ours) == len(bboxes)
    return places_among(ours, bboxes, scores, labels)


def places_among(ours: InstanceData, bboxes: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
    """As :func:`places_of`, where there may be more of ours than recorded."""

    def rows(*columns: Tensor) -> Tensor:
        boxes, score, label = columns
        return torch.cat([boxes, score[:, None] * PIXELS / SCORE, label[:, None] * 1e6], dim=1)

    own = rows(ours.bboxes, ours.scores, ours.labels)
    distances = torch.cdist(rows(bboxes, scores, labels).double(), own.double(), p=torch.inf)
    places = distances.argmin(dim=1)
    found = distances.gather(1, places[:, None])
    assert len(bboxes) == 0 or found.max() <= PIXELS, f"{found.max():.2e} pixels"
    assert len(places.unique()) == len(places)
    return places
