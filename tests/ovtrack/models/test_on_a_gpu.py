"""Stages 3 and 4 and tracking with model and data on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from tests.fake_cuda import REFUSED, fake_cuda
from vovtrack.engine.run import load_config
from vovtrack.registry import MODELS

SIZE = (96, 128)
FRAMES = 3
TETA = "configs/ovtrack-teta/"
SPATIAL = f"{TETA}adding_spatial/ovtrack_r50_self_train_fintune_adding_spatial_without_inference_"
PAIRS = ["configs/mini/ovtrack.py", f"{TETA}ovtrack_r50_reverse_without_inference.py"]
CLIPS = [
    "configs/mini/ovtrack_self_supervised.py",
    "configs/mini/ovtrack_self_supervised_pairs.py",
    "configs/mini/ovtrack_self_supervised_tracklets.py",
    f"{SPATIAL}ratio1.0.py",
    f"{SPATIAL}ratio1.0_corrected.py",
]


def build(path: str, tracker: str | None = None):
    """The model of a config with few regions and a shallow backbone: the same code, less work."""
    cfg = load_config(path)
    model = cfg.model
    detector = model.detector
    if "mini" not in path:
        detector.backbone.update(depth=18, init_cfg=None)
        detector.neck.in_channels = [64, 128, 256, 512]
    detector.test_cfg.rpn.max_per_img = 12
    # An untrained detector is sure of nothing.
    rule = detector.roi_head.score_rule
    rule["uniform_factor" if "uniform_factor" in rule else "detect"] = 0.0
    rule.update(link=0.0, init=0.0, draw=0.0)
    detector.test_cfg.rcnn.update(max_per_img=6)
    model.update({name: None for name in ("score_thr", "max_overlap") if name in model})
    model.pair_sampler.sampler.num = 8
    if tracker is not None:
        model.tracker = load_config(f"configs/_base_/trackers/{tracker}.py").model.tracker
    torch.manual_seed(0)
    built = MODELS.build(model)
    classes, dims = len(built.vocabulary), built.detector.roi_head.classifier.bank.shape[1]
    built.set_classes(built.vocabulary, torch.randn(classes, dims))
    return built


def frames(device: torch.device, **meta):
    generator = torch.Generator().manual_seed(1)
    samples = []
    for number in range(2 * FRAMES):
        metas = dict(
            meta, img_shape=SIZE, pad_shape=SIZE, ori_shape=SIZE, batch_input_shape=SIZE,
            scale_factor=(1.0, 1.0), frame_id=number,
        )  # fmt: skip
        sample = DetDataSample(metainfo=metas)
        corner = torch.rand(3, 2, generator=generator) * 50
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corner, corner + 30], dim=1),
            labels=torch.tensor([1, 2, 3]),
            instances_ids=torch.arange(3),
        )
        samples.append(sample.to(device))
    return torch.randn(len(samples), 3, *SIZE, generator=generator).to(device), samples


def train_step(model, inputs, samples) -> None:
    total, _ = model.parse_losses(model.loss(inputs, samples))
    total.backward()
    assert all(p.grad is not None and p.grad.is_cuda for p in model.track_head.parameters())


@pytest.mark.parametrize("path", PAIRS)
def test_training_on_pairs(repository, path):
    with fake_cuda() as device:
        train_step(build(path).train().to(device), *frames(device))


@pytest.mark.parametrize("path", CLIPS)
def test_training_on_clips(repository, path):
    with fake_cuda() as device:
        turned = dict(clip_length=FRAMES, homography_matrix=np.eye(3) * (2, 2, 1))
        train_step(build(path).train().to(device), *frames(device, **turned))


@torch.no_grad()
@pytest.mark.parametrize("tracker", [None, "iou", "sort", "bytetrack", "ocsort"])
def test_tracking(repository, tracker):
    with fake_cuda() as device:
        model = build(PAIRS[0], tracker).eval().to(device)
        model.keep_observations = 3
        found = model.predict(*frames(device))
        assert all(len(sample.pred_instances) for sample in found)
        assert all(not s.pred_track_instances.bboxes.is_cuda for s in found)
        assert all(not s.observations.top_scores.is_cuda for s in found)


@torch.no_grad()
def test_tracking_inside_of_classes(repository):
    with fake_cuda() as device:
        model = build("configs/ovtrack-tao/ovtrack_r50_tao.py").eval().to(device)
        assert len(model.predict(*frames(device))) == 2 * FRAMES


@pytest.mark.parametrize("path", [PAIRS[0], CLIPS[0]])
def test_a_forgotten_tensor_of_the_model_is_found(repository, path):
    with fake_cuda() as device:
        model = build(path).train().to(device)
        model.track_head.fc_embed.bias = torch.nn.Parameter(model.track_head.fc_embed.bias.cpu())
        with pytest.raises(RuntimeError, match=REFUSED):
            model.loss(*frames(device, clip_length=FRAMES))
