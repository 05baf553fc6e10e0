"""Detectors of fixed classes under a quasi-dense tracker."""

from __future__ import annotations

import copy

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.runner.checkpoint import load_state_dict
from mmengine.structures import InstanceData
from torchvision.ops import roi_align

from ovtrack.models import LevelRoIExtractor, OwnBestIoUAssigner, QDTrack
from tests.fake_cuda import fake_cuda
from tests.ovtrack.models.test_embedding_tracker import SIZE, closed_detector, frames
from tests.waits import Waits
from vovtrack.engine.fuse import mix_precision, prepare_for_speed
from vovtrack.registry import MODELS

STRIDES = [8, 16, 32]
CHANNELS = 32


def extractor(strides, **changes) -> LevelRoIExtractor:
    layer = dict(type="RoIAlign", output_size=7, sampling_ratio=0, **changes)
    return LevelRoIExtractor(roi_layer=layer, out_channels=4, featmap_strides=strides)


def squares(*sides: float) -> torch.Tensor:
    return torch.tensor([[0, 3, 5, 3 + side, 5 + side] for side in sides])


@pytest.mark.parametrize(
    ("strides", "levels"),
    [([4, 8, 16, 32], [0, 0, 1, 1, 2, 3, 3, 0]), ([8, 16, 32], [0, 0, 0, 0, 1, 2, 2, 0])],
)
def test_the_level_of_a_region_follows_its_size(strides, levels):
    rois = squares(10, 111.9, 112, 223.9999, 224, 448, 2000, 0)
    assert extractor(strides).levels_of(rois).tolist() == levels


@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_pooling_is_that_of_each_level(sampling_ratio):
    torch.manual_seed(0)
    maps = [torch.randn(2, 4, 96 // s, 128 // s, requires_grad=True) for s in (4, 8, 16, 32)]
    rois = torch.rand(40, 5) * torch.tensor([0, 100, 80, 300, 300])
    rois[:, 3:] += rois[:, 1:3]
    rois[:, 1:3] -= 30  # outside of the image, too
    rois[20:, 0] = 1
    rois[0, 3:] = rois[0, 1:3]
    own = extractor([4, 8, 16, 32])
    for layer in own.roi_layers:
        layer.sampling_ratio = sampling_ratio
    levels = own.levels_of(rois)
    assert len(levels.unique()) == 3
    alone = [
        roi_align(maps[k], roi[None], 7, 1 / (4 << k), sampling_ratio, aligned=True)[0]
        for roi, k in zip(rois, levels.tolist(), strict=True)
    ]
    pooled = own(maps, rois)
    assert torch.equal(pooled, torch.stack(alone))
    pooled.sum().backward()
    assert all(level.grad is not None for level in maps), "every level is part of the graph"
    with fake_cuda() as device:
        there = [level.detach().to(device) for level in maps], rois.to(device)
        with Waits() as waits:
            elsewhere = own(*there)
        assert not waits.found
    torch.testing.assert_close(elsewhere.cpu(), pooled.detach())


def test_an_anchor_learns_what_it_overlaps_most():
    overlaps = torch.tensor([[0.8, 0.0, 0.35, 0.1], [0.6, 0.2, 0.31, 0.1], [0.0, 0.0, 0.4, 0.4]])
    assigner = OwnBestIoUAssigner(pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3)
    found = assigner.assign_wrt_overlaps(overlaps, torch.tensor([5, 6, 7]))
    # Objects 1 and 2 claim anchor 0 for it overlaps them most; object 3 claims two anchors.
    assert found.gt_inds.tolist() == [1, 0, 3, 3]
    assert found.labels.tolist() == [5, -1, 7, 7]
    nothing = assigner.assign_wrt_overlaps(torch.zeros(0, 4), torch.zeros(0).long())
    assert nothing.gt_inds.tolist() == [0, 0, 0, 0]


def one_stage() -> ConfigDict:
    nms = dict(type="nms", iou_threshold=0.65)
    return ConfigDict(
        type="ClosedSetYOLOX",
        score_thresholds=dict(link=0.0, init=0.0, draw=0.5),
        data_preprocessor=dict(type="mmdet.ImagePreprocessor", pad_size_divisor=32, pad_value=114),
        backbone=dict(type="CSPDarknet", deepen_factor=0.33, widen_factor=0.125),
        neck=dict(
            type="YOLOXPAFPN", in_channels=[32, 64, 128], out_channels=CHANNELS, num_csp_blocks=1
        ),
        bbox_head=dict(
            type="YOLOXHead", num_classes=5, in_channels=CHANNELS, feat_channels=CHANNELS
        ),
        roi_extractor=dict(
            type="LevelRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=CHANNELS,
            featmap_strides=STRIDES,
        ),
        train_cfg=dict(
            assigner=dict(type="SimOTAAssigner"),
            proposals=dict(score_thr=0.0, nms_pre=60, nms=nms, max_per_img=30),
        ),
        test_cfg=dict(score_thr=0.0, nms_pre=50, nms=nms, max_per_img=20),
    )


@pytest.fixture
def make(repo_root):
    """A tiny QDTrack on a detector; its config may be changed."""
    parts = Config.fromfile(repo_root / "configs/_base_/models/mini_association.py").association

    def build(detector: ConfigDict) -> QDTrack:
        torch.manual_seed(0)
        channels = 64 if "roi_head" in detector else CHANNELS
        head = dict(parts.track_head, in_channels=channels)
        model = MODELS.build(
            dict(
                type="QDTrack",
                detector=detector,
                track_head=head,
                pair_sampler=parts.pair_sampler,
                tracker=dict(type="QuasiDenseTracker"),
            )
        )
        model.init_weights()
        return model

    return build


def losses_of(model, data):
    torch.manual_seed(1)
    return model(**model.data_preprocessor(copy.deepcopy(data), training=True), mode="loss")


def test_the_one_stage_detector_trains_along(make):
    model, data = make(one_stage()).train(), frames(4)
    losses = losses_of(model, data)
    assert {"loss_cls", "loss_bbox", "loss_obj", "loss_track", "loss_track_aux"} <= losses.keys()
    model.parse_losses(losses)[0].backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert {".".join(name.split(".")[:2]) for name in trained} >= {
        *(f"detector.{part}" for part in ("backbone", "neck", "bbox_head")), "track_head.fc_embed",
    }  # fmt: skip
    data["inputs"] = [data["inputs"][0], 255 - data["inputs"][0]] * 2
    for name, loss in losses_of(model, data).items():
        if name in ("loss_cls", "loss_bbox", "loss_obj"):
            torch.testing.assert_close(loss, losses[name])


def test_images_without_objects_train_the_one_stage_detector(make):
    model, data = make(one_stage()).train(), frames(2)
    for sample in data["data_samples"]:
        sample.gt_instances = sample.gt_instances[:0]
    total, _ = model.parse_losses(losses_of(model, data))
    total.backward()
    assert total.isfinite()


def test_proposals_are_those_of_training_or_of_testing(make):
    detector = make(one_stage()).detector
    image, sample = torch.randn(1, 3, *SIZE), DetDataSample()
    for training, count in ((True, 30), (False, 20)):
        _, (found,) = detector.train(training).propose(image, [sample])
        assert 0 < len(found) <= count and not found.bboxes.requires_grad
        assert (found.scores.diff() <= 0).all()
        assert found.probabilities.shape == (len(found), 6)
        best, labels = found.probabilities[:, :-1].max(dim=1)
        assert torch.equal(labels, found.labels)
        torch.testing.assert_close(best, found.scores)


def test_a_box_of_the_one_stage_detector(make):
    detector = make(one_stage()).detector
    maps = [[torch.full((1, kind, 4, 4), -9.0)] for kind in (5, 4, 1)]
    detector.bbox_head.prior_generator.strides = [(8, 8)]
    row, column = 3, 2
    maps[0][0][0, 1, row, column], maps[2][0][0, 0, row, column] = 9.0, 9.0
    maps[1][0][0, :, row, column] = torch.tensor([0.5, -0.25, 1.0, 0.0])
    found = detector.eval()._objects(maps)[0][:1]
    expected = torch.tensor([[9.126873, 18.0, 30.873127, 26.0]])
    torch.testing.assert_close(found.bboxes, expected)
    assert found.labels.tolist() == [1]


@pytest.mark.parametrize("detector", [closed_detector, one_stage])
def test_frames_without_detections_are_tracked(make, detector):
    config = detector()
    (config.test_cfg.rcnn if "rcnn" in config.test_cfg else config.test_cfg).score_thr = 1.0
    model = make(config).eval()
    for sample in model.test_step(frames(2)):
        assert len(sample.pred_instances) == len(sample.pred_track_instances) == 0


@pytest.mark.parametrize("detector", [closed_detector, one_stage])
def test_rescaled_boxes_follow_both_axes(make, detector):
    model, data = make(detector()).eval(), frames(1)
    data["data_samples"][0].set_metainfo(
        dict(scale_factor=(0.5, 2.0), ori_shape=(SIZE[0] // 2, SIZE[1] * 2))
    )
    data = model.data_preprocessor(data)
    inputs, (sample,) = data["inputs"], data["data_samples"]
    feats, proposals = model.detector.propose(inputs, [sample])
    plain, rescaled = (
        model.detector.detect(feats, proposals, [sample.metainfo], rescale=flag)[0]
        for flag in (False, True)
    )
    assert len(plain) > 0
    torch.testing.assert_close(rescaled.bboxes, plain.bboxes * torch.tensor([2.0, 0.5, 2.0, 0.5]))
    (tracked,) = model.predict(inputs, [sample])
    corners = tracked.pred_track_instances.bboxes
    limit = torch.tensor([SIZE[1] * 2, SIZE[0] // 2]).repeat(2)
    assert len(corners) and (corners >= 0).all() and (corners <= limit).all()


@pytest.mark.parametrize("detector", [closed_detector, one_stage])
def test_folded_and_in_half_precision_it_still_tracks(make, detector):
    model = make(detector()).eval()
    for name, parameter in model.detector.named_parameters():
        if "conv_cls" in name or "conv_obj" in name:
            torch.nn.init.normal_(parameter)  # else all scores are alike
    expected = model.test_step(frames(2))
    prepare_for_speed(model)
    folded = model.test_step(frames(2))
    for ours, theirs in zip(folded, expected, strict=True):
        a, b = ours.pred_track_instances, theirs.pred_track_instances
        torch.testing.assert_close(a.bboxes, b.bboxes, atol=1e-3, rtol=1e-4)
        assert torch.equal(a.instances_id, b.instances_id)
    mix_precision(model, "bf16")
    for sample in model.test_step(frames(2)):
        tracks = sample.pred_track_instances
        assert len(tracks) and tracks.bboxes.dtype == torch.float32
        assert tracks.bboxes.isfinite().all()


@pytest.mark.parametrize("detector", [closed_detector, one_stage])
def test_half_precision_trains(make, detector):
    config = detector()
    if config.train_cfg is None:
        config.train_cfg = training_of_regions()
    model = make(config).train()
    with torch.autocast("cpu", torch.bfloat16):
        total, _ = model.parse_losses(losses_of(model, frames(2)))
    total.backward()
    assert total.isfinite()


def training_of_regions() -> dict:
    assigner = dict(pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.3)
    sampler = dict(type="RandomSampler", num=32, pos_fraction=0.5, add_gt_as_proposals=False)
    nms = dict(type="nms", iou_threshold=0.7)
    return dict(
        rpn=dict(
            assigner=dict(type="OwnBestIoUAssigner", **assigner),
            sampler=sampler,
            allowed_border=0,
            pos_weight=-1,
        ),
        rpn_proposal=dict(nms_pre=50, max_per_img=30, nms=nms, min_bbox_size=-1),
        rcnn=dict(
            assigner=dict(type="MaxIoUAssigner", match_low_quality=False, **assigner),
            sampler=dict(sampler, add_gt_as_proposals=True),
            pos_weight=-1,
        ),
    )


def test_the_samples_of_training_stay_as_they_are(make):
    model = make(ConfigDict(closed_detector(), train_cfg=training_of_regions())).train()
    data = model.data_preprocessor(frames(2), training=True)
    before = copy.deepcopy(data["data_samples"])
    losses, _, proposals = model.detector.learn(data["inputs"], data["data_samples"])
    assert all(loss.ndim == 0 for name, loss in losses.items() if "loss" in name)
    assert all("bboxes" in found for found in proposals)
    for ours, theirs in zip(data["data_samples"], before, strict=True):
        assert torch.equal(ours.gt_instances.labels, theirs.gt_instances.labels)
        assert isinstance(ours.gt_instances, InstanceData)
        assert ours.keys() == theirs.keys()


@pytest.mark.parametrize(("detector", "allowed"), [(closed_detector, 3), (one_stage, 2)])
def test_a_frame_waits_for_suppression_and_results(make, detector, allowed):
    config = detector()
    if "roi_head" in config:
        config.rpn_head.type = "ProposalHead"
        for head in (config.rpn_head, config.roi_head.bbox_head):
            head.bbox_coder.type = "DeltaBoxCoder"
        config.roi_head.bbox_roi_extractor.type = "LevelRoIExtractor"
    model = make(config).eval()
    expected = model.test_step(frames(1))[0].pred_track_instances
    with fake_cuda() as device:
        model.to(device)
        data = model.data_preprocessor(frames(1))
        model.predict(data["inputs"], data["data_samples"])
        data = model.data_preprocessor(frames(1))
        with Waits() as waits:
            (sample,) = model.predict(data["inputs"], data["data_samples"])
        assert len(waits.found) <= allowed, waits.found
    torch.testing.assert_close(sample.pred_track_instances.bboxes, expected.bboxes)


@pytest.mark.parametrize("detector", [closed_detector, one_stage])
def test_what_the_tracker_drops_is_not_embedded(make, detector):
    model = make(detector()).eval()
    model.tracker.nms_class_iou_thr = 0.1
    for name, parameter in model.detector.named_parameters():
        if name.endswith("bias") and "conv_reg" in name:
            torch.nn.init.ones_(parameter)  # boxes so large that they overlap
    embedded: list[int] = []
    model.track_head.register_forward_hook(lambda _, args, __: embedded.append(len(args[0])))
    some = model.test_step(frames(2))
    count = sum(embedded)
    model.keep_observations = 1  # of all detections
    everything = model.test_step(frames(2))
    assert count < sum(embedded) - count == sum(len(s.pred_instances) for s in everything)
    for ours, theirs in zip(some, everything, strict=True):
        assert torch.equal(ours.pred_instances.bboxes, theirs.pred_instances.bboxes)
        a, b = ours.pred_track_instances, theirs.pred_track_instances
        assert len(a) and torch.equal(a.instances_id, b.instances_id)
        assert torch.equal(a.bboxes, b.bboxes)


def test_a_detector_of_other_classes_gives_all_but_its_classifier(make):
    """As training starts from the published YOLOX of COCO: the rest is named and left alone."""
    other = one_stage()
    other.bbox_head.num_classes = 80
    weights = MODELS.build(other).state_dict()
    model = make(one_stage())
    load_state_dict(model, dict(weights), strict=False)
    state = model.state_dict()
    alike = {k for k, v in weights.items() if v.shape == state[f"detector.{k}"].shape}
    assert {k.split(".")[1] for k in weights.keys() - alike} == {"multi_level_conv_cls"}
    assert all(torch.equal(state[f"detector.{key}"], weights[key]) for key in alike)
