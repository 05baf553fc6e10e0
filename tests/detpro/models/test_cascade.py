"""The cascade: what a stage adds, and the full config in training and testing."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.detpro.models.test_stages import SIZE, batch, build, few_regions, train_step
from vovtrack.engine.run import load_config
from vovtrack.registry import MODELS

CONFIG = "configs/lvis/detpro_cascade_20e.py"
STDS = [(0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1)]


def small(stages: int | None):
    """The mini detector with as many stages; None for the plain head."""
    cfg = load_config("configs/mini/detpro.py").model
    if stages is not None:
        cfg.roi_head.type = "CascadeOpenVocabRoIHead"
        cfg.roi_head.box_stds = STDS[:stages]
        cfg.roi_head.stage_loss_weights = [1.0, 0.5][:stages]
        cfg.train_cfg.rcnn = [copy.deepcopy(cfg.train_cfg.rcnn) for _ in range(stages)]
    torch.manual_seed(0)
    return MODELS.build(cfg)


def numbered(weights: dict, stage: int) -> dict:
    """Weights of one head as those of a stage."""
    return {
        key.replace("roi_head.bbox_head.", f"roi_head.bbox_head.{stage}."): value
        for key, value in weights.items()
    }


def inputs():
    images, samples = batch(embeds=False)
    generator = torch.Generator().manual_seed(1)
    for sample in samples:
        sample.gt_instances.labels = torch.tensor([1, 2, 4])
        sample.regions.embeds = torch.randn(3, 64, generator=generator)
    return images, samples


def losses_of(model) -> dict:
    torch.manual_seed(0)
    return {
        name: torch.stack(value).sum() if isinstance(value, list) else value
        for name, value in model.train().loss(*inputs()).items()
    }


@torch.no_grad()
def detections(model):
    return [sample.pred_instances for sample in model.eval().predict(*inputs())]


@pytest.fixture
def plain(repository):
    return small(None)


def test_one_stage_is_the_plain_head(plain):
    one = small(1)
    one.load_state_dict(numbered(plain.state_dict(), 0))
    found, expected = losses_of(one), losses_of(plain)
    assert {name.removeprefix("s0."): value for name, value in found.items()} == expected
    for ours, theirs in zip(detections(one), detections(plain), strict=True):
        assert len(ours) and torch.equal(ours.bboxes, theirs.bboxes)
        assert torch.equal(ours.scores, theirs.scores)


def test_stages_refine_boxes_and_average_probabilities(plain):
    two, weights = small(2), plain.state_dict()
    two.load_state_dict({**numbered(weights, 0), **numbered(weights, 1)})
    head, single = two.eval().roi_head, plain.eval().roi_head
    images, samples = inputs()
    metas = [sample.metainfo for sample in samples]
    counts = [3, 3]
    boxes = torch.cat([sample.gt_instances.bboxes for sample in samples])
    rois = torch.cat([torch.tensor([[0.0]] * 3 + [[1.0]] * 3), boxes], dim=1)
    with torch.no_grad():
        torch.nn.init.normal_(head.bbox_head[0].fc_reg.weight, std=0.5)
        feats = two.extract_feat(images)
        refined, deltas, probabilities, states, _ = head.judge(feats, rois, counts, metas)
        first = head.describe(feats, rois, 0)
        moved = head.bbox_head[0].bbox_coder.decode(boxes, first.bbox_pred, max_shape=SIZE)
        second = single.describe(feats, refined)
    assert torch.equal(refined[:, 1:], moved) and not torch.equal(moved, boxes)
    assert torch.equal(deltas, second.bbox_pred) and (states == 1).all()
    mean = (single.class_probabilities(first) + single.class_probabilities(second)) / 2
    assert torch.allclose(probabilities, mean)
    assert head.bbox_head[1].bbox_coder.stds == list(STDS[1])


def test_losses_of_a_stage_are_weighted(plain):
    two, weights = small(2), plain.state_dict()
    two.load_state_dict({**numbered(weights, 0), **numbered(weights, 1)})
    losses = losses_of(two)
    assert losses["s1.kd_loss"] == losses["s0.kd_loss"] / 2


def test_the_full_config_trains_and_predicts(repository):
    model = build(CONFIG, few_regions)
    losses = train_step(model)
    names = ("loss_bbox", "text_cls_loss", "kd_loss", "loss_mask")
    assert set(losses) >= {f"s{stage}.{name}" for stage in range(3) for name in names}
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        found = model.eval().predict(*batch())
    assert len(found) == 2
    assert all(len(f.pred_instances.masks) == len(f.pred_instances) <= 300 for f in found)
