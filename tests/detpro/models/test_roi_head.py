"""Choices of the RoI head: levels, hidden classes, temperatures, thresholds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict

from detpro.models import OpenVocabRoIHead
from detpro.models.bbox_head import RegionOutputs
from detpro.models.roi_head import Judgement
from vovtrack.errors import InputError
from vovtrack.structures import Vocabulary

DIMS, CHANNELS = 16, 8
TEST_CFG = ConfigDict(nms=dict(iou_threshold=0.5, class_agnostic=True), max_per_img=50)
LEVELS = dict(reg=(0, 0, 1, 1), cls=(2, 2, 3, 3))
# Two of its five classes are novel.
VOCABULARY = Vocabulary(tuple("abcde"), tuple(range(5)), [False, True, False, True, False])


def make_head(**options) -> OpenVocabRoIHead:
    torch.manual_seed(0)
    head = OpenVocabRoIHead(
        bbox_roi_extractor=dict(
            type="PreciseRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=2),
            out_channels=CHANNELS,
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type="DualBranchBBoxHead",
            in_channels=CHANNELS,
            branch=dict(num_convs=0, hidden_dims=16, embed_dims=DIMS),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
        ),
        classifier=dict(type="TextBankClassifier", embed_dims=DIMS, train_temperature=0.5),
        **dict(test_cfg=TEST_CFG) | options,
    ).eval()
    head.set_vocabulary(VOCABULARY, torch.randn(5, DIMS))
    return head


@pytest.fixture
def feats() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(1, CHANNELS, 64 // s, 64 // s, generator=generator) for s in (1, 2, 4, 8)
    )


ROIS = torch.tensor([[0, 10, 10, 40, 50], [0, 0, 0, 200, 220.0]])


@torch.no_grad()
def test_boxes_classes_and_images_come_from_their_own_levels(feats):
    head, plain = make_head(level_map=LEVELS), make_head()
    found = head.describe(feats, ROIS)
    by_kind = {
        name: plain.bbox_head(plain.pool(feats, ROIS, levels)) for name, levels in LEVELS.items()
    }
    own = plain.describe(feats, ROIS)
    assert torch.equal(found.bbox_pred, by_kind["reg"].bbox_pred)
    assert torch.equal(found.text_embeds, by_kind["cls"].text_embeds)
    # The image branch is taught on the level of a region's size, so it is asked there.
    assert torch.equal(found.image_embeds, own.image_embeds)
    for name in RegionOutputs._fields:
        assert not torch.allclose(getattr(by_kind["reg"], name), getattr(by_kind["cls"], name))


@pytest.mark.parametrize(("train_on", "competing"), [("base", [0, 2, 4, 5]), ("all", range(6))])
def test_who_competes_in_training(train_on, competing):
    head = make_head(train_on=train_on)
    embeds = F.normalize(torch.randn(7, DIMS), dim=1)
    labels = torch.tensor([0, 2, 4, 5, 5, 0, 2])
    competing = list(competing)
    logits = embeds @ head.classifier.class_embeds()[competing].T / 0.5
    places = torch.tensor([competing.index(label) for label in labels.tolist()])
    expected = F.cross_entropy(logits, places)
    torch.testing.assert_close(head.text_loss(embeds, labels), expected)


@pytest.mark.parametrize("image_temperature", [None, 0.3])
def test_each_branch_has_its_temperature(image_temperature):
    head = make_head(
        fusion=dict(
            type="GeometricScoreFusion", fixed_text_weight=0.4, image_temperature=image_temperature
        )
    )
    outputs = RegionOutputs(
        torch.zeros(7, 4), *(F.normalize(torch.randn(7, DIMS), dim=1) for _ in range(2))
    )
    bank = head.classifier.class_embeds()
    test_temperature = head.classifier.test_temperature
    text = (outputs.text_embeds @ bank.T / test_temperature).softmax(1)[:, :-1]
    image = (outputs.image_embeds @ bank[:-1].T / (image_temperature or test_temperature)).softmax(
        1
    )
    found = head.class_probabilities(outputs)[:, :-1]
    torch.testing.assert_close(found, text**0.4 * image**0.6, rtol=1e-4, atol=1e-7)


def judgement(probabilities: torch.Tensor) -> Judgement:
    """Regions far from each other, with the same probability of each of five classes but one."""
    corners = torch.arange(len(probabilities)).float()[:, None] * 100
    boxes = torch.cat([corners, corners, corners + 50, corners + 50], dim=1)
    rows = torch.zeros(len(probabilities), 6)
    rows[torch.arange(len(rows)), torch.arange(len(rows)) % 5] = probabilities
    rois = torch.cat([torch.zeros(len(rows), 1), boxes], dim=1)
    embeds = F.normalize(torch.randn(len(rows), DIMS), dim=1)
    return Judgement(rois, torch.zeros(len(rows), 4), rows, torch.ones(len(rows)), embeds)


META = dict(img_shape=(2000, 2000), scale_factor=(1.0, 1.0))


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (dict(type="ProbabilityScores", detect=0.25), [0, 3, 1]),
        (dict(type="ProbabilityScores", detect=0.5), [0, 3]),
        # 1.2 / 6 is the score of a probability of .22.
        (dict(type="RepeatedSoftmaxScores", uniform_factor=1.2), [0, 3, 1]),
        (dict(type="RepeatedSoftmaxScores", uniform_factor=0.0), [0, 3, 1, 2]),
    ],
)
def test_detections_are_what_exceeds_the_threshold_of_the_rule(rule, kept):
    judged = judgement(torch.tensor([0.9, 0.3, 0.2, 0.7]))
    head = make_head(score_rule=rule)
    found = head.select(judged, META, rescale=False)
    assert found.labels.tolist() == kept
    assert torch.equal(found.cls_embeds, judged.embeds[kept])
    assert torch.equal(found.probabilities, judged.probabilities[kept])
    assert torch.equal(found.scores, head.score_rule(judged.probabilities)[kept, kept])


def test_a_bare_head_scores_by_probability():
    thresholds = make_head().score_thresholds()
    assert (thresholds.link, thresholds.init, thresholds.distractor) == (0, 0, 1)
    assert 0 < thresholds.detect < thresholds.draw < 1


def test_a_threshold_in_the_old_place_is_not_ignored():
    with pytest.raises(InputError, match="set model.roi_head.score_rule.detect"):
        make_head(test_cfg=ConfigDict(score_thr=0.1))
