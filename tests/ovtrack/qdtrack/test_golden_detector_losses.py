"""What the detectors learn, as the original has it: losses, labels and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.models.task_modules.prior_generators import anchor_inside_flags
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData

from tests.ovtrack.qdtrack.released import model_config
from tests.seeded import normal
from vovtrack.registry import MODELS

FILE = "detector_losses.npz"
EVERY_ANCHOR = 1_000_000
"""So many are sampled that chance plays no part."""
YOLOX_REG_SHIFT = (0.0, 0.0, 0.8, 0.8)


class Case:
    """The recordings of one kind of loss.

    Args:
        recorded: All recordings.
        name: Prefix of the arrays.
    """

    def __init__(self, recorded, name: str) -> None:
        self.arrays, self.meta = recorded.arrays(FILE), recorded.meta(FILE)
        self.salt, self.name = self.meta["salt"], name
        self.numbers = self.meta.get(name, {})

    def __contains__(self, name: str) -> bool:
        return f"{self.name}/{name}" in self.arrays

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[f"{self.name}/{name}"])

    def per_image(self, name: str) -> list[torch.Tensor]:
        """Arrays ``name0``, ``name1``, ..."""
        found = []
        while f"{name}{len(found)}" in self:
            found.append(self[f"{name}{len(found)}"])
        return found

    def maps(self, name: str, channels: int, strides, batch: int) -> list[torch.Tensor]:
        """Drawn maps (B, channels, h, w), one for each stride."""
        height, width = self.meta["rpn"]["hw"]
        shape = (batch, channels)
        return [
            normal((*shape, math.ceil(height / s), math.ceil(width / s)), self.salt, name, s)
            for s in strides
        ]

    def metas(self, batch: int) -> list[dict]:
        """What is known of the images."""
        rpn = self.meta["rpn"]
        known = dict(img_shape=tuple(rpn["images_hw"]), pad_shape=tuple(rpn["hw"]))
        return [known] * batch

    def same(self, name: str, ours: torch.Tensor) -> None:
        """Compare with a recorded array, relative to its largest value."""
        close(ours, self[name])

    def same_gradients(self, kind: str, maps: list[torch.Tensor]) -> None:
        """Compare the gradients of maps with the recorded one and the norms of all levels."""
        recorded = [level for level in range(len(maps)) if f"grad_{kind}{level}" in self]
        assert recorded
        for level in recorded:
            self.same(f"grad_{kind}{level}", maps[level].grad)
        for level, own in enumerate(maps):
            norm = self.numbers[f"grad_norm_{kind}{level}"]
            found = 0.0 if own.grad is None else own.grad.norm().item()
            assert found == pytest.approx(norm, rel=1e-4, abs=1e-9)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Within 1e-5 of the largest value."""
    largest = float(theirs.abs().max()) if theirs.numel() else 0.0
    torch.testing.assert_close(ours.detach(), theirs, rtol=0, atol=1e-5 * max(largest, 1e-6))


def learning(maps: list[torch.Tensor]) -> list[torch.Tensor]:
    return [level.clone().requires_grad_() for level in maps]


@pytest.fixture(scope="module")
def rpn(recorded):
    case, config = Case(recorded, "rpn"), model_config("frcnn").model.detector
    config.train_cfg.rpn.sampler.num = EVERY_ANCHOR
    head = MODELS.build(dict(config.rpn_head, train_cfg=config.train_cfg.rpn, num_classes=1))
    return case, head


def test_losses_of_proposals(rpn):
    case, head = rpn
    boxes = case.per_image("gt")
    strides = [stride[0] for stride in head.prior_generator.strides]
    scores = learning([0.7 * m for m in case.maps("rpn_cls", 3, strides, len(boxes))])
    deltas = learning([0.2 * m for m in case.maps("rpn_reg", 12, strides, len(boxes))])
    objects = [InstanceData(bboxes=b, labels=torch.zeros(len(b)).long()) for b in boxes]
    losses = head.loss_by_feat(scores, deltas, objects, case.metas(len(boxes)))
    losses = {name: torch.stack(parts).sum() for name, parts in losses.items()}
    case.same("loss_cls", losses["loss_rpn_cls"])
    case.same("loss_bbox", losses["loss_rpn_bbox"])
    torch.stack(list(losses.values())).sum().backward()
    case.same_gradients("cls", scores)
    case.same_gradients("reg", deltas)


def test_what_anchors_learn(rpn):
    case, head = rpn
    boxes = case.per_image("gt")
    strides = [stride[0] for stride in head.prior_generator.strides]
    sizes = [tuple(m.shape[-2:]) for m in case.maps("rpn_cls", 1, strides, 1)]
    anchors = torch.cat(head.prior_generator.grid_priors(sizes, device="cpu"))
    for number, (own, meta) in enumerate(zip(boxes, case.metas(len(boxes)), strict=True)):
        valid = torch.ones(len(anchors), dtype=torch.bool)
        border = head.train_cfg.allowed_border
        inside = anchor_inside_flags(anchors, valid, meta["img_shape"], border)
        objects = InstanceData(bboxes=own, labels=torch.zeros(len(own)).long())
        found = head.assigner.assign(InstanceData(priors=anchors[inside]), objects).gt_inds
        labels = torch.full((len(anchors),), -2)
        labels[inside] = found.clamp(max=1)
        assert torch.equal(labels, case[f"anchor_label{number}"].long())
        positive = labels == 1
        learned = case[f"anchor_gt{number}"].long()[positive]
        assert torch.equal(found[found > 0] - 1, learned)


@pytest.fixture(scope="module")
def rcnn(recorded):
    config = model_config("frcnn").model.detector
    return Case(recorded, "rcnn"), MODELS.build(config.roi_head.bbox_head), config.train_cfg.rcnn


def sampled(case: Case, number: int) -> SamplingResult:
    """The given samples of an image; each positive one has an object of its own."""
    proposals, positive = case[f"proposals{number}"], case[f"label{number}"] == 1
    count = int(positive.sum())
    assigned = AssignResult(
        count,
        torch.cat([torch.arange(count) + 1, torch.zeros(len(proposals) - count).long()]),
        torch.zeros(len(proposals)),
        case[f"target_classes{number}"],
    )
    return SamplingResult(
        pos_inds=torch.arange(count),
        neg_inds=torch.arange(count, len(proposals)),
        priors=proposals,
        gt_bboxes=case[f"target_boxes{number}"][positive],
        assign_result=assigned,
        gt_flags=torch.zeros(len(proposals), dtype=torch.uint8),
    )


def test_losses_of_regions(rcnn):
    case, head, cfg = rcnn
    samples = [sampled(case, number) for number in range(len(case.per_image("proposals")))]
    scores, deltas = learning([case["cls_score"], case["bbox_pred"]])
    rois = bbox2roi([sample.priors for sample in samples])
    losses = head.loss_and_target(scores, deltas, rois, samples, cfg)["loss_bbox"]
    case.same("loss_cls", losses["loss_cls"])
    case.same("loss_bbox", losses["loss_bbox"])
    (losses["loss_cls"] + losses["loss_bbox"]).backward()
    case.same("grad_cls_score", scores.grad)
    case.same("grad_bbox_pred", deltas.grad)


def test_losses_of_background_alone(rcnn):
    case, head, cfg = rcnn
    count = 5
    priors, none = case["proposals0"][:count], torch.zeros(0, dtype=torch.long)
    sample = SamplingResult(
        pos_inds=none,
        neg_inds=torch.arange(count),
        priors=priors,
        gt_bboxes=torch.zeros(0, 4),
        assign_result=AssignResult(0, torch.zeros(count).long(), torch.zeros(count), none),
        gt_flags=torch.zeros(count, dtype=torch.uint8),
    )
    scores, deltas = case["cls_score"][:count], case["bbox_pred"][:count]
    losses = head.loss_and_target(scores, deltas, bbox2roi([priors]), [sample], cfg)["loss_bbox"]
    case.same("no_positive_loss_cls", losses["loss_cls"])
    case.same("no_positive_loss_bbox", losses["loss_bbox"])


@pytest.fixture(scope="module")
def yolox(recorded):
    config = model_config("yolox").model.detector
    return Case(recorded, "yolox"), MODELS.build(dict(config.bbox_head, train_cfg=config.train_cfg))


def yolox_maps(case: Case, head, batch: int) -> dict[str, list[torch.Tensor]]:
    shift = torch.tensor(YOLOX_REG_SHIFT).view(1, 4, 1, 1)
    classes = head.num_classes
    return {
        "cls": learning([m - 1 for m in case.maps("yolox_cls", classes, head.strides, batch)]),
        "reg": learning([0.5 * m + shift for m in case.maps("yolox_reg", 4, head.strides, batch)]),
        "obj": learning(case.maps("yolox_obj", 1, head.strides, batch)),
    }


@pytest.mark.parametrize("prefix", ["", "no_gt_"])
def test_losses_of_the_one_stage_detector(yolox, prefix):
    case, head = yolox
    boxes, classes = case.per_image("gt"), case.per_image("classes")
    kept = 0 if prefix else None
    objects = [
        InstanceData(bboxes=b[:kept], labels=c[:kept]) for b, c in zip(boxes, classes, strict=True)
    ]
    maps = yolox_maps(case, head, len(boxes))
    losses = head.loss_by_feat(*maps.values(), objects, case.metas(len(boxes)))
    for name in ("loss_cls", "loss_bbox", "loss_obj"):
        case.same(prefix + name, losses[name])
    if not prefix:
        torch.stack(list(losses.values())).sum().backward()
        for kind, own in maps.items():
            case.same_gradients(kind, own)
