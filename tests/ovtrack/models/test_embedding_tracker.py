"""A tracker has a detector: any that offers what the protocol says."""

from __future__ import annotations

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData

import vovtrack.trackers  # noqa: F401  registers them
from ovtrack.models import EmbeddingTracker
from vovtrack.errors import InputError
from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds

SIZE = (96, 128)
CHANNELS = 64


def closed_detector() -> ConfigDict:
    """Faster R-CNN: its classes are fixed, and it knows nothing of words."""
    nms = dict(type="nms", iou_threshold=0.5)
    return ConfigDict(
        type="ClosedSetRCNN",
        score_thresholds=dict(draw=0.5),
        data_preprocessor=dict(type="mmdet.DetDataPreprocessor", pad_size_divisor=32),
        backbone=dict(type="ResNet", depth=18, base_channels=8, stem_channels=8),
        neck=dict(type="FPN", in_channels=[8, 16, 32, 64], out_channels=CHANNELS, num_outs=4),
        rpn_head=dict(
            type="RPNHead",
            in_channels=CHANNELS,
            feat_channels=CHANNELS,
            anchor_generator=dict(
                type="AnchorGenerator", scales=[8], ratios=[1.0], strides=[4, 8, 16, 32]
            ),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
        ),
        roi_head=dict(
            type="StandardRoIHead",
            bbox_roi_extractor=dict(
                type="SingleRoIExtractor",
                roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=2),
                out_channels=CHANNELS,
                featmap_strides=[4, 8, 16, 32],
            ),
            bbox_head=dict(
                type="Shared2FCBBoxHead",
                in_channels=CHANNELS,
                fc_out_channels=32,
                num_classes=5,
                bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
                loss_bbox=dict(type="L1Loss"),
            ),
        ),
        train_cfg=None,
        test_cfg=dict(
            rpn=dict(nms_pre=100, max_per_img=30, nms=nms, min_bbox_size=4),
            rcnn=dict(score_thr=0.0, nms=nms, max_per_img=10),
        ),
    )


@pytest.fixture
def make(repo_root):
    """A tracker with the parts of the mini world around that detector."""
    parts = Config.fromfile(repo_root / "configs/_base_/models/mini_association.py").association
    parts = {name: parts[name] for name in ("track_head", "pair_sampler", "tracker")}

    def build(**changes) -> EmbeddingTracker:
        torch.manual_seed(0)
        config = dict(parts, type="EmbeddingTracker", detector=closed_detector(), **changes)
        model = MODELS.build(config)
        model.init_weights()
        return model

    return build


def frames(count: int):
    """The same picture several times, with two objects in it."""
    generator = torch.Generator().manual_seed(1)
    picture = torch.randint(256, (3, *SIZE), generator=generator, dtype=torch.uint8)
    samples = []
    for number in range(count):
        sample = DetDataSample(
            metainfo=dict(img_shape=SIZE, ori_shape=SIZE, scale_factor=(1.0, 1.0), frame_id=number)
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[8.0, 8, 40, 40], [60, 20, 110, 80]]),
            labels=torch.tensor([0, 1]),
            instances_ids=torch.tensor([7, 9]),
        )
        samples.append(sample)
    return dict(inputs=[picture] * count, data_samples=samples)


def train_step(model) -> set[str]:
    """Names of the parts that a step on two pairs gives gradients to."""
    model.train()
    data = model.data_preprocessor(frames(4), training=True)
    loss, logged = model.parse_losses(model(**data, mode="loss"))
    assert loss.isfinite()
    assert set(logged) == {"loss", "loss_track", "loss_track_aux", "positive_pairs"}
    assert logged["positive_pairs"] > 0
    loss.backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    return {name.rsplit(".", 1)[0] for name in trained}


def test_a_step_on_pairs_moves_the_embedding_head_alone(make):
    model = make()
    before = {name: value.clone() for name, value in model.named_buffers()}
    assert {name.split(".")[0] for name in train_step(model)} == {"track_head"}
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_the_detector_trains_along_unless_it_is_frozen(make):
    trained = train_step(make(freeze=("rpn_head", "roi_head")))
    assert {"detector.neck.fpn_convs.0.conv", "track_head.fc_embed"} <= trained
    with pytest.raises(InputError, match="expected one of backbone, neck, rpn_head, roi_head"):
        make(freeze=("classifier",))


def test_two_frames_are_tracked(make):
    model = make().eval()
    assert model.tracker.thresholds == model.score_thresholds == ScoreThresholds(draw=0.5)
    first, second = model.test_step(frames(2))
    assert 1 < len(first.pred_track_instances) <= len(first.pred_instances) <= 10
    assert set(first.pred_track_instances.keys()) == {"bboxes", "scores", "labels", "instances_id"}
    ids = first.pred_track_instances.instances_id.tolist()
    assert sorted(ids) == list(range(len(ids)))
    assert second.pred_track_instances.instances_id.tolist() == ids
    again = model.test_step(frames(1))[0].pred_track_instances
    assert again.instances_id.tolist() == ids, "frame 0 starts a new video"


def test_images_are_prepared_as_the_detector_wants_them(make):
    model = make()
    assert model.data_preprocessor is model.detector.data_preprocessor
    assert model.data_preprocessor(frames(1))["inputs"].shape == (1, 3, *SIZE)


def test_a_file_of_the_bare_detector_lands_in_the_tracker(make):
    model, bare = make(), MODELS.build(closed_detector())
    found = model.load_state_dict(bare.state_dict(), strict=False)
    assert not found.unexpected_keys
    assert {key.split(".")[0] for key in found.missing_keys} == {"track_head"}
    for key, value in bare.state_dict().items():
        assert torch.equal(model.state_dict()[f"detector.{key}"], value)
