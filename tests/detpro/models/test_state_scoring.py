"""Detections that count by their state: the rules, and what they do to a whole detector."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData

from detpro.models import StateGate, StateWeighting
from detpro.models.bbox_head import RegionOutputs
from tests.detpro.models.test_cascade import detections, small
from tests.fake_cuda import fake_cuda
from vovtrack.errors import InputError
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary

DIMS, TEMPERATURE = 64, 0.05
PAIRS = (("whole", "broken"), ("clear", "blurred"))
VOCABULARY = Vocabulary(("a", "b", "c"), (1, 2, 3), [False, True, False])


class Words:
    """Random embeddings of words."""

    def encode(self, names):
        generator = torch.Generator().manual_seed(len(names))
        return F.normalize(torch.randn(len(names), DIMS, generator=generator), dim=1)


def make(type_=StateWeighting, **kwargs):
    part = type_(text_encoder=dict(type="ClipEncoder"), pairs=PAIRS, temperature=TEMPERATURE,
                 **kwargs)  # fmt: skip
    part.text_encoder = Words()
    part.set_vocabulary(VOCABULARY)
    return part


def outputs(count: int = 20) -> RegionOutputs:
    generator = torch.Generator().manual_seed(0)
    text, image = F.normalize(torch.randn(2, count, DIMS, generator=generator), dim=2)
    return RegionOutputs(torch.zeros(count, 4), text, image)


def by_hand(embeds: torch.Tensor) -> torch.Tensor:
    words = Words().encode([word for pair in PAIRS for word in pair])
    margins = embeds @ (words[0::2] - words[1::2]).T
    return torch.sigmoid(margins / TEMPERATURE).mean(dim=1)


@pytest.mark.parametrize("branches", [("text",), ("image",), ("text", "image")])
def test_a_state_is_the_mean_of_pairs_and_branches(branches):
    found = outputs()
    embeds = dict(text=found.text_embeds, image=found.image_embeds)
    expected = sum(by_hand(embeds[name]) for name in branches) / len(branches)
    assert torch.allclose(make(branches=branches).judge(found), expected, atol=1e-6)


def test_an_image_branch_to_judge_must_be_there():
    found = outputs()._replace(image_embeds=None)
    assert len(make(branches=("text",)).judge(found)) == 20
    with pytest.raises(InputError, match=r"the image branch.*branches=\('text',\)"):
        make().judge(found)


def test_another_vocabulary_lies_where_the_model_is():
    with fake_cuda() as device:
        rule = make(classes="novel").to(device)
        rule.set_vocabulary(VOCABULARY)
        assert rule.novel.device == device and rule.novel.tolist() == list(VOCABULARY.novel)


def best(probabilities: torch.Tensor, rows: torch.Tensor | None = None) -> InstanceData:
    """Every region with its best class, best first."""
    rows = torch.arange(len(probabilities)) if rows is None else rows
    scores, labels = probabilities[rows, :-1].max(dim=1)
    order = scores.argsort(descending=True, stable=True)
    return InstanceData(scores=scores[order], labels=labels[order], regions=rows[order])


def test_weights_of_all_and_of_novel_classes():
    probabilities = torch.rand(4, 4, generator=torch.Generator().manual_seed(0))
    states = torch.tensor([0.0, 0.25, 0.5, 1.0])
    found = make(scale=2.0).weigh(probabilities, states)
    assert torch.equal(found[:, :3], probabilities[:, :3] * 2 * states[:, None])
    assert torch.equal(found[:, 3], probabilities[:, 3])
    found = make(classes="novel").weigh(probabilities, states)
    assert torch.equal(found[:, 1], probabilities[:, 1] * states)
    assert torch.equal(found[:, [0, 2, 3]], probabilities[:, [0, 2, 3]])


def test_two_stages_touch_novel_detections_only():
    probabilities = torch.tensor(
        [[0.9, 0.0, 0.0, 0], [0.0, 0.8, 0.0, 0], [0.0, 0.6, 0.0, 0], [0.0, 0.0, 0.1, 0]]
    )
    states = torch.tensor([0.1, 0.1, 1.0, 0.1])
    found = make(two_stage=True).detect(best, probabilities, states)
    assert found.regions.tolist() == [0, 2, 3, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.6, 0.1, 0.08])


def test_gates():
    probabilities = torch.eye(4)[:, [0, 1, 2, 3]] + 0.1
    states = torch.tensor([0.2, 0.9, 0.5, 0.4])
    found = make(StateGate, threshold=0.4).detect(best, probabilities, states)
    assert sorted(found.regions.tolist()) == [1, 2]
    found = make(StateGate, drop_share=0.3).detect(best, probabilities, states)
    assert sorted(found.regions.tolist()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [(dict(branches=("mask",)), "branches="), (dict(classes="base"), "expected one of all, novel")],
)
def test_unknown_choices(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


@pytest.mark.parametrize("stages", [None, 2])
def test_a_detector_with_states(repository, stages):
    model = small(stages)
    before = detections(model)
    encoder = model.roi_head.classifier.text_encoder
    scoring = dict(type="StateWeighting", text_encoder=dict(type="ClipEncoder"), scale=0.5)
    model.roi_head.state_scoring = MODELS.build(scoring)
    # Words that say nothing: every region is favourable with a probability of one half.
    words = encoder.encode(["a", "a"]).repeat(4, 1)
    model.roi_head.state_scoring.text_encoder = type("Same", (), dict(encode=lambda *_: words))()
    model.roi_head.test_cfg.score_thr = 0.0
    model.set_classes(model.vocabulary)
    after = detections(model)
    for plain, weighted in zip(before, after, strict=True):
        count = min(len(plain), len(weighted))
        assert count > 0
        assert torch.allclose(weighted.scores[:count], plain.scores[:count] / 4, atol=1e-6)
    model.roi_head.state_scoring = MODELS.build(
        dict(type="StateGate", text_encoder=dict(type="ClipEncoder"), threshold=0.6)
    )
    model.roi_head.state_scoring.text_encoder = type("Same", (), dict(encode=lambda *_: words))()
    assert all(len(found) == 0 for found in detections(model))
