"""Scores and detections on other vocabularies equal the released code's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict

from detpro.models import GeometricScoreFusion, OpenVocabRoIHead
from detpro.models.bbox_head import RegionOutputs
from tests.detpro.golden import Case, close
from vovtrack.structures import Vocabulary

pytestmark = pytest.mark.golden

CASE = Case("fusion")
RUNS = [(name, run) for name, case in CASE.meta["cases"].items() for run in case["runs"]]
FUSIONS = {
    "default": dict(novel_mask="novel"),
    "coco_setting": dict(novel_mask="novel"),
    "fixed_lambda": dict(fixed_text_weight=0.6),
    "no_ensemble": None,
}


@pytest.fixture(autouse=True)
def recorded_on_device(device, monkeypatch):
    """Recorded tensors lie on the device of ``--device``."""
    monkeypatch.setattr(Case, "device", device)


def make_head(name: str, run: str) -> tuple[OpenVocabRoIHead, torch.Tensor]:
    """A head for the vocabulary of a case; which of the case's classes it knows."""
    case = CASE.meta["cases"][name]
    vocabulary = Vocabulary.load("coco_65" if run == "coco_setting" else name)
    removed = case.get("removed_in_test", []) if run == "coco_setting" else []
    known = torch.tensor([c for c in range(case["num_classes"]) if c not in removed])
    fusion = FUSIONS[run]
    head = OpenVocabRoIHead(
        bbox_roi_extractor=dict(
            type="PreciseRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=8,
            featmap_strides=[4],
        ),
        bbox_head=dict(
            type="DualBranchBBoxHead",
            in_channels=8,
            branch=dict(num_convs=0, hidden_dims=8),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
        ),
        classifier=dict(type="TextBankClassifier"),
        fusion=fusion and dict(type="GeometricScoreFusion", **fusion),
        score_rule=dict(type="ProbabilityScores", detect=case["score_thr"]),
        test_cfg=ConfigDict(
            nms=dict(type="nms", iou_threshold=case["iou_thr"]),
            max_per_img=case["max_per_img"],
        ),
    ).eval()
    head.set_vocabulary(vocabulary, CASE[f"{name}/class_embeddings"][known])
    torch.nn.init.zeros_(head.classifier.background.weight)
    with torch.no_grad():
        head.classifier.background.bias.copy_(CASE[f"{name}/bg_unit"])
    return head.to(Case.device), known.to(Case.device)


@pytest.mark.parametrize(("name", "run"), RUNS)
def test_scores_and_detections(name, run):
    head, known = make_head(name, run)
    case = CASE.meta["cases"][name]
    outputs = RegionOutputs(
        CASE[f"{name}/bbox_pred"],
        F.normalize(CASE[f"{name}/embed_text"], dim=1),
        F.normalize(CASE[f"{name}/embed_image"], dim=1),
    )
    counts = case["num_proposals"]
    boxes = torch.cat([CASE[f"{name}/proposals_{image}"] for image in range(len(counts))])
    rois = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], dim=1)
    with torch.no_grad():
        judged = head.classify(rois, outputs)
    scores = head.score_rule(judged.probabilities)
    expected = CASE[f"{name}/{run}/scores"][:, :-1]
    close(scores, expected[:, known], 1e-5)
    absent = torch.ones(expected.shape[1], dtype=bool, device=known.device)
    absent[known] = False
    assert (expected[:, absent] == 0).all()
    for image, own in enumerate(judged.split(counts)):
        meta = dict(
            img_shape=case["img_shapes"][image][:2], scale_factor=case["scale_factors"][image][:2]
        )
        found = head.select(own, meta, rescale=True)
        recorded = CASE[f"{name}/{run}/det_bboxes_{image}"]
        assert torch.equal(known[found.labels], CASE[f"{name}/{run}/det_labels_{image}"])
        assert (found.bboxes - recorded[:, :4]).abs().max() < 1e-3
        close(found.scores, recorded[:, 4], 1e-5)
        best = found.probabilities.gather(1, found.labels[:, None])[:, 0]
        assert torch.equal(best, found.scores)


def test_the_split_of_coco_is_the_published_one():
    case = CASE.meta["cases"]["coco"]
    coco, tested = Vocabulary.load("coco"), Vocabulary.load("coco_65")
    assert coco.novel.nonzero()[0].tolist() == case["novel_label_ids"]
    assert (len(tested), int(tested.novel.sum())) == (65, 17)
    assert Vocabulary.load("voc").novel.nonzero()[0].tolist() == [15, 16, 17, 18, 19]
    assert len(Vocabulary.load("objects365")) == 365


def test_other_vocabularies_without_novel_classes_use_the_fixed_exponent():
    fusion = GeometricScoreFusion(fixed_text_weight=0.6)
    weights = fusion.text_weights(Vocabulary.load("objects365"))
    assert weights.shape == (366,) and (weights == 0.6).all()
