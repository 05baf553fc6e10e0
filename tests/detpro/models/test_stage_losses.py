"""Losses and gradients of both detection stages equal the released code's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from detpro.models import OpenVocabRoIHead
from detpro.models.key_map import DETECTOR_KEYS
from detpro.models.state_attention import StateAttention
from tests.detpro.golden import Case, close
from tests.seeded import normal, seeded_state_dict
from vovtrack.structures import Vocabulary

pytestmark = pytest.mark.golden

CASE, STATES = Case("stage1_losses"), Case("stage2_attention")
KINDS = {"train": "", "eval": "_eval", "level map": "_part"}


class Words:
    """Encoder whose words have the recorded embeddings."""

    def __init__(self, states: torch.Tensor) -> None:
        self.rows = states.transpose(1, 2).flatten(0, 1)

    def encode(self, names):
        return self.rows


@pytest.fixture(autouse=True)
def recorded_on_device(device, monkeypatch):
    """Recorded tensors lie on the device of ``--device``."""
    monkeypatch.setattr(Case, "device", device)


def make_head(level_map: dict | None = None) -> OpenVocabRoIHead:
    """The recorded head, weights seeded by their released names."""
    channels = CASE.meta["channels"]
    head = OpenVocabRoIHead(
        bbox_roi_extractor=dict(
            type="PreciseRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=channels,
            featmap_strides=CASE.meta["strides"],
            finest_scale=CASE.meta["finest_scale"],
        ),
        bbox_head=dict(
            type="DualBranchBBoxHead",
            in_channels=channels,
            num_classes=1203,
            branch=dict(conv_channels=channels, norm_cfg=dict(type="BN")),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
            loss_bbox=dict(type="L1Loss"),
        ),
        classifier=dict(type="TextBankClassifier"),
        distillation=dict(type="RegionDistillation"),
        level_map=level_map,
        train_cfg=ConfigDict(
            assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5),
            sampler=dict(type="RandomSampler", num=512, pos_fraction=0.25),
            pos_weight=-1,
        ),
        test_cfg=None,
    )
    weights = seeded_state_dict(CASE.meta["weight_shapes"], "a")
    weights = {
        f"roi_head.{k}" if not k.startswith("roi_head.") else k: v for k, v in weights.items()
    }
    DETECTOR_KEYS.apply(weights)
    head.load_state_dict({key.removeprefix("roi_head."): v for key, v in weights.items()})
    embeds = normal((1203, 512), "a", "class_embeddings")
    close(F.normalize(embeds, dim=1)[0], CASE["class_embedding_row0"].cpu(), 1e-6)
    head.set_vocabulary(Vocabulary.load("lvis_v1"), embeds)
    return head.to(Case.device)


def sampled() -> list[InstanceData]:
    """The recorded sampling results of both images."""
    results = []
    for image in range(2):
        pos, neg = CASE[f"pos_bboxes_{image}"], CASE[f"neg_bboxes_{image}"]
        results.append(
            InstanceData(
                pos_priors=pos,
                pos_gt_bboxes=CASE[f"pos_gt_bboxes_{image}"],
                pos_gt_labels=CASE[f"pos_gt_labels_{image}"],
            )
        )
        results[-1].set_metainfo(dict(neg_priors=neg, priors=torch.cat([pos, neg])))
    return results


class Sample:
    """What distillation reads of a data sample."""

    def __init__(self, image: int) -> None:
        self.regions = InstanceData(
            bboxes=CASE[f"precomputed_proposals_{image}"], embeds=CASE[f"teacher_{image}"]
        )


@pytest.fixture(params=KINDS)
def run(request):
    """One forward pass: the head, its losses and the name of the recorded values."""
    levels = dict(reg=(0, 0, 1, 1), cls=(2, 2, 3, 3)) if request.param == "level map" else None
    head = make_head(levels).train(request.param != "eval")
    feats = tuple(CASE[f"fpn{level}"].requires_grad_() for level in range(4))
    losses = head.bbox_loss(feats, sampled())["loss_bbox"]
    losses["kd_loss"] = head.distillation_losses(feats, [Sample(0), Sample(1)])[0]
    return head, feats, losses, KINDS[request.param]


def test_losses(run):
    _, _, losses, kind = run
    for name in ("text_cls_loss", "kd_loss", "loss_bbox"):
        close(losses[name].detach(), CASE[name + kind], 2e-5)


def test_batch_statistics(run):
    head, _, _, kind = run
    if kind == "_eval":
        return
    for branch, released in (("text", "shared_convs"), ("image", "shared_convs_for_image")):
        norm = getattr(head.bbox_head, f"{branch}_branch").convs[0].bn
        for name in ("running_mean", "running_var"):
            close(getattr(norm, name), CASE[f"bn_{released}_0_{name}{kind}"], 2e-5)


def test_gradients():
    head = make_head().train()
    feats = tuple(CASE[f"fpn{level}"].requires_grad_() for level in range(4))
    losses = head.bbox_loss(feats, sampled())["loss_bbox"]
    losses["kd_loss"] = head.distillation_losses(feats, [Sample(0), Sample(1)])[0]
    parameters = dict(head.named_parameters())
    for loss, norms in CASE.meta["grad_norms"].items():
        grads = torch.autograd.grad(
            losses[loss], list(parameters.values()), retain_graph=True, allow_unused=True
        )
        found = dict(zip(parameters, grads, strict=True))
        for released, norm in norms.items():
            key = {released: torch.zeros(0)}
            DETECTOR_KEYS.apply(key)
            name = next(iter(key)).removeprefix("roi_head.")
            if name not in found:
                continue
            if norm is None:
                assert found[name] is None or not found[name].any(), name
            else:
                assert found[name].norm().item() == pytest.approx(norm, rel=1e-3), name
            recorded = f"grad/{loss}/{released}"
            if recorded in CASE.names:
                close(found[name].view_as(CASE[recorded]), CASE[recorded], 1e-4)


def test_level_map_is_the_recorded_one():
    table = Case("part_layer_mapping")
    extractor = make_head().bbox_roi_extractor
    extractor.finest_scale = 56
    levels = extractor.map_roi_levels(table["rois"], 4)
    assert torch.equal(levels, table["level"])
    for name, chosen in (("regression", (0, 0, 1, 1)), ("classification", (2, 2, 3, 3))):
        expected = table[f"level_used_{name}"]
        assert torch.equal(torch.tensor(chosen).to(levels)[levels], expected)


def attention(**kwargs) -> StateAttention:
    """State attention with the recorded words."""
    made = StateAttention(text_encoder=dict(type="ClipEncoder"), **kwargs)
    made.text_encoder = Words(STATES["state_embeddings"])
    return made.to(Case.device)


def weighted_loss(part: StateAttention, levels: int, **head_options):
    head = make_head()
    head.state_attention = part
    embed = STATES["embed"].clone().requires_grad_()
    bias = head.classifier.background.bias
    loss = head.text_loss(F.normalize(embed, dim=1), STATES["labels"])
    grads = torch.autograd.grad(loss, [embed, bias])
    return loss.detach(), *grads


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("detach", [False, True])
def test_state_attention(number, detach):
    low, high = STATES.meta["levels"][number]
    part = attention(low=low, high=high, detach=detach)
    embeds = F.normalize(STATES["embed"], dim=1)
    close(part.probability(embeds), STATES["p"], 5e-6)
    close(part.clamp(part.probability(embeds)), STATES[f"w_{number}"], 5e-6)
    loss, embed_grad, bias_grad = weighted_loss(part, number)
    close(loss, STATES[f"loss_{number}"], 5e-6)
    kind = "_detached" if detach else ""
    close(embed_grad, STATES[f"grad_embed{kind}_{number}"], 5e-5)
    close(bias_grad, STATES[f"grad_bg_bias_{number}"], 5e-5)


@pytest.mark.parametrize("number", [0, 1])
def test_state_attention_as_a_temperature(number):
    low, high = STATES.meta["levels"][number]
    loss, grad, _ = weighted_loss(attention(low=low, high=high, scope="logits"), number)
    close(loss, STATES[f"loss_softmax_mode_{number}"], 5e-6)
    close(grad, STATES[f"grad_embed_softmax_mode_{number}"], 5e-5)


@pytest.mark.parametrize("number", [0, 1])
def test_state_attention_of_one_label(number):
    low, high = STATES.meta["levels"][number]
    loss, _, _ = weighted_loss(attention(low=low, high=high, only_labels=[792]), number)
    close(loss, STATES[f"loss_only_person_{number}"], 5e-6)


def test_raw_probability_as_weight():
    loss, _, _ = weighted_loss(attention(low=-1, high=2), 0)
    close(loss, STATES["loss_raw_p"], 5e-6)


def test_boundaries_are_exact():
    for number, (low, high) in enumerate(STATES.meta["levels"]):
        weights = attention(low=low, high=high).clamp(STATES[f"table_p_{number}"])
        assert torch.equal(weights, STATES[f"table_w_{number}"])
    part = attention()
    part.text_encoder = Words(STATES["tie_state_embeddings"])
    ties = part.probability(F.normalize(STATES["tie_embed"], dim=1))
    assert torch.equal(ties, STATES["tie_p"])
    for row, (low, high) in enumerate(STATES["tie_levels"].tolist()):
        part.low, part.high = low, high
        assert part.clamp(ties)[0] == STATES["tie_w"][row].flatten()[0]
