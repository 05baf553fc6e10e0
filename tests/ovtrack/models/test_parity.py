"""Parity with the released model, by key-seeded weights and recorded outputs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.config import Config
from mmengine.structures import InstanceData
from seeded import normal, seeded_state_dict

from ovtrack.online import OVOnlineTracker
from tests.pipelines import resized_to
from vovtrack.ops.transfer import to_host
from vovtrack.registry import MODELS

pytestmark = pytest.mark.golden

CONFIG = (
    "configs/ovtrack-teta/adding_spatial/"
    "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0.py"
)
NETWORK_SHAPE = (256, 320)


@pytest.fixture(scope="module")
def shapes(golden_path):
    return json.loads((golden_path / "checkpoint_keys_tracker.json").read_text())


@pytest.fixture(scope="module")
def model(shapes, repo_root, device):
    cfg = Config.fromfile(repo_root / CONFIG)
    cfg.model.tracker.update(match_score_thr=0.33, memo_frames=30, momentum_embed=0.4)
    model = MODELS.build(cfg.model)
    result = model.load_state_dict(seeded_state_dict(shapes, "a"), strict=True)
    assert not result.missing_keys and not result.unexpected_keys
    rows = [i - 1 for i in model.vocabulary.category_ids]
    bank = torch.nn.functional.normalize(normal((1203, 512), "class_embeddings"), dim=1)
    model.set_classes(model.vocabulary, bank[rows])
    return model.eval().to(device)


@pytest.fixture(scope="module")
def recorded(golden):
    return golden("inference.npz")


@pytest.fixture(scope="module")
def feats(model, image):
    with torch.no_grad():
        return model.detector.extract_feat(image(0))


@pytest.fixture(scope="module")
def image(device):
    """One frame by its number."""
    wide = normal((1, 3, 256, 320 + 32 * 4), "a", "image").to(device)
    return lambda t: wide[..., 8 * t : 8 * t + 320]


def sample(t: int) -> DetDataSample:
    return DetDataSample(
        metainfo=dict(
            img_shape=NETWORK_SHAPE,
            pad_shape=NETWORK_SHAPE,
            batch_input_shape=NETWORK_SHAPE,
            ori_shape=(128, 160),
            scale_factor=(2.0, 2.0),
            frame_id=t,
        )
    )


def assert_close(actual, expected):
    actual = actual.numpy(force=True)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * scale)


def test_every_released_key_has_its_place(model, shapes):
    assert len(model.state_dict()) == len(shapes) == 448
    assert sum(p.numel() for p in model.track_head.parameters()) == pytest.approx(15.47e6, rel=1e-3)


def test_fpn_maps(feats, recorded):
    for level, feat in enumerate(feats):
        assert_close(feat[0, ::32], recorded[f"fpn{level}"])


@torch.no_grad()
def test_rpn_maps_and_proposals(model, feats, recorded):
    scores, deltas = model.detector.rpn_head(feats)
    for level in range(5):
        assert_close(scores[level][0], recorded[f"rpn_cls{level}"])
        assert_close(deltas[level][0], recorded[f"rpn_reg{level}"])
    proposals = model.detector.rpn_head.predict(feats, [sample(0)], rescale=False)[0]
    assert len(proposals) == recorded["num_proposals"]
    first = torch.cat([proposals.bboxes, proposals.scores[:, None]], dim=1)[:64]
    assert_close(first, recorded["proposals"])


@torch.no_grad()
def test_region_descriptions(model, feats, recorded, device):
    rois = bbox2roi([torch.from_numpy(recorded["rois"]).to(device)])
    outputs = model.detector.roi_head.describe(feats, rois)
    assert_close(outputs.bbox_pred, recorded["bbox_pred"])
    assert_close(outputs.text_embeds, recorded["text_embed"])
    assert_close(outputs.image_embeds, recorded["image_embed"])
    assert_close(model.detector.roi_head.class_probabilities(outputs), recorded["cls_score"])
    assert_close(model.embed(feats, rois), recorded["track_embed"])


def test_detections_and_tracks_of_four_frames(model, image, recorded):
    lvis_labels = np.array(model.vocabulary.category_ids) - 1
    for t in range(4):
        out = model.predict(image(t), [sample(t)])[0]
        dets, tracks = out.pred_instances, out.pred_track_instances
        np.testing.assert_array_equal(lvis_labels[dets.labels.cpu()], recorded[f"det_labels{t}"])
        assert_close(dets.bboxes, recorded[f"det_bboxes{t}"][:, :4])
        assert_close(dets.scores, recorded[f"det_bboxes{t}"][:, 4])
        np.testing.assert_array_equal(tracks.instances_id, recorded[f"trk_ids{t}"])
        np.testing.assert_array_equal(lvis_labels[tracks.labels], recorded[f"trk_labels{t}"])
        assert_close(tracks.bboxes, recorded[f"trk_bboxes{t}"][:, :4])


def test_what_is_drawn_is_a_choice_among_the_detections(model):
    """On released scores, which lie between .0034 and .0091."""
    thresholds = model.score_thresholds
    assert thresholds.detect == 1.001 / 297
    assert thresholds.draw == pytest.approx(np.exp(0.05) / (np.exp(0.05) + 296))
    tracker = OVOnlineTracker(model, resized_to(320, 256))
    assert thresholds.detect < tracker.draw_threshold == thresholds.draw < 0.0091


@torch.no_grad()
def test_two_frames_at_once_equal_two_frames_in_turn(model, image):
    one_by_one = [model.predict(image(t), [sample(t)])[0] for t in range(2)]
    together = model.predict(torch.cat([image(0), image(1)]), [sample(0), sample(1)])
    for a, b in zip(one_by_one, together, strict=True):
        pair: tuple[InstanceData, InstanceData] = a.pred_track_instances, b.pred_track_instances
        assert pair[0].instances_id.tolist() == pair[1].instances_id.tolist()
        torch.testing.assert_close(pair[0].bboxes, pair[1].bboxes, rtol=1e-4, atol=1e-3)


def test_one_transfer_carries_all_fields():
    found = InstanceData(
        bboxes=torch.rand(3, 4), labels=torch.tensor([0, 1202, 7]), embeds=torch.rand(3, 8)
    )

    class Elsewhere(torch.Tensor):
        """Stands for a tensor of another device: it only claims to be there."""

        device = torch.device("meta")

    moved = InstanceData(**dict(found.items()))
    moved.bboxes = found.bboxes.as_subclass(Elsewhere)
    for name, value in to_host(moved).items():
        assert value.dtype == found[name].dtype
        assert torch.equal(value.as_subclass(torch.Tensor), found[name])
