"""The configs of both stages: one step of training, what is frozen, schedules, checkpoints."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.structures import InstanceData

from tests.detpro.golden import FOLDER
from tests.fake_cuda import fake_cuda
from tests.places import CLIP
from tests.seeded import seeded_state_dict
from vovtrack.engine.run import load_config
from vovtrack.errors import InputError
from vovtrack.registry import MODELS

STAGE1 = "configs/lvis/detpro_ens_20e.py"
STAGE2 = "configs/lvis/detpro_ens_20e_part_batch_prompt_reverse.py"
SIZE = (96, 128)
SCHEDULES = json.loads((FOLDER / "schedules.json").read_text())


class Words:
    """State words at random places: the released CLIP is not at hand."""

    def encode(self, names):
        generator = torch.Generator().manual_seed(0)
        return F.normalize(torch.randn(len(names), 512, generator=generator), dim=1)


def few_regions(cfg) -> None:
    """Let a model look at few regions, which takes less time."""
    cfg.train_cfg.rpn_proposal.max_per_img = cfg.test_cfg.rpn.max_per_img = 60
    stages = cfg.train_cfg.rcnn
    for stage in stages if isinstance(stages, list) else [stages]:
        stage.sampler.num = 24


def build(path: str, change=None):
    cfg = load_config(path).model
    cfg.backbone.init_cfg = None
    if change is not None:
        change(cfg)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    generator = torch.Generator().manual_seed(0)
    model.set_classes(model.vocabulary, torch.randn(1203, 512, generator=generator))
    if model.roi_head.state_attention is not None:
        model.roi_head.state_attention.text_encoder = Words()
    return model.train()


def batch(embeds: bool = True):
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    generator = torch.Generator().manual_seed(0)
    samples = []
    for number in range(2):
        meta = dict(img_shape=SIZE, pad_shape=SIZE, ori_shape=SIZE, batch_input_shape=SIZE)
        sample = DetDataSample(metainfo=dict(meta, img_id=number, scale_factor=(1.0, 1.0)))
        corner = torch.rand(3, 2, generator=generator) * 50
        boxes = torch.cat([corner, corner + 30], dim=1)
        masks = BitmapMasks(np.ones((3, *SIZE), np.uint8), *SIZE)
        labels = torch.tensor([1, 792, 4])
        sample.gt_instances = InstanceData(bboxes=boxes, labels=labels, masks=masks)
        sample.regions = InstanceData(bboxes=boxes + 3)
        if embeds:
            sample.regions.embeds = F.normalize(torch.randn(3, 512, generator=generator), dim=1)
        samples.append(sample)
    return torch.randn(2, 3, *SIZE, generator=generator), samples


def train_step(model) -> dict:
    losses = model.loss(*batch())
    total = sum(
        part
        for name, value in losses.items()
        if "loss" in name
        for part in (value if isinstance(value, list) else [value])
    )
    total.backward()
    return losses


def test_stage_1(repository):
    model = build(STAGE1)
    losses = train_step(model)
    assert set(losses) >= {
        "loss_rpn_cls", "loss_rpn_bbox", "loss_bbox", "text_cls_loss", "kd_loss", "loss_mask",
    }  # fmt: skip
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    assert not any(key.startswith("roi_head.classifier.bank") for key in model.state_dict())


@pytest.mark.parametrize(("name", "tensors"), [("vild_ens_20e", 444), ("vild_20e", 416)])
def test_vild(repository, name, tensors):
    """Templates in place of learned contexts, with two branches or with one."""
    model = build(f"configs/lvis/{name}.py", few_regions)
    assert len(model.roi_head.classifier.text_encoder.templates) == 74
    assert len(model.state_dict()) == tensors
    losses = train_step(model)
    assert {"text_cls_loss", "kd_loss"} <= set(losses)
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        found = model.eval().predict(*batch())
    assert all(len(sample.pred_instances) <= 300 for sample in found)


@pytest.mark.parametrize("corrected", [False, True])
def test_stage_2(repository, corrected):
    model = build(STAGE2.replace(".py", "_corrected.py") if corrected else STAGE2)
    before = {name: value.clone() for name, value in model.named_buffers()}
    losses = train_step(model)
    assert "loss_rpn_cls" not in losses and "kd_loss" in losses
    recorded = SCHEDULES["stage2"]
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert {name.split(".")[0] for name in frozen} == set(recorded["frozen_modules"])
    assert {name.split(".")[0] for name in trained} == {"roi_head"}
    changed = {
        name.split(".")[0]
        for name, value in model.named_buffers()
        if "running" in name and not torch.equal(value, before[name])
    }
    assert changed == ({"roi_head"} if corrected else {"roi_head", "neck"})


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_schedules(repository, stage):
    """The learning rate of every recorded iteration."""
    cfg = load_config({"stage1": STAGE1, "stage2": STAGE2}[stage])
    recorded = SCHEDULES[stage]
    assert cfg.train_cfg.max_epochs == recorded["total_epochs"]
    layer = torch.nn.Linear(1, 1)
    wrapper = build_optim_wrapper(layer, cfg.optim_wrapper)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(one, optimizer=wrapper.optimizer))
        for one in cfg.param_scheduler
    ]
    expected = {point["iteration"]: point["lr"] for point in recorded["points"]}
    length = recorded["iters_per_epoch"]
    for iteration in range(max(expected) + 1):
        if iteration in expected:
            found = wrapper.optimizer.param_groups[0]["lr"]
            assert found == pytest.approx(expected[iteration], rel=1e-9)
        wrapper.optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or (iteration + 1) % length == 0:
                scheduler.step()


def test_released_detectors_load_strictly_with_their_clip(repository, golden_path):
    shapes = json.loads((golden_path / "checkpoint_keys_detector.json").read_text())
    weights = seeded_state_dict(shapes, "a")
    weights["roi_head.clip_model.visual.conv1.weight"] = torch.zeros(4)
    model = build(STAGE1)
    model.load_state_dict(weights, strict=True)
    expected = weights["roi_head.projection_for_image.weight"]
    assert torch.equal(model.roi_head.bbox_head.image_branch.proj.weight, expected)


def test_regions_are_encoded_online_where_features_are_missing(repository):
    cfg = load_config("configs/mini/detpro.py").model
    cfg.region_teacher = dict(type="ClipEncoder", **CLIP)
    model = MODELS.build(cfg).train()
    inputs, samples = batch(embeds=False)
    model._encode_regions(inputs, samples)
    for sample in samples:
        assert sample.regions.embeds.shape == (3, 64)
        assert torch.allclose(sample.regions.embeds.norm(dim=1), torch.ones(3))
    with fake_cuda() as gpu:
        inputs, on_gpu = batch(embeds=False)
        on_gpu = [sample.to(gpu) for sample in on_gpu]
        model.to(gpu)._encode_regions(inputs.to(gpu), on_gpu)
        for sample, expected in zip(on_gpu, samples, strict=True):
            assert sample.regions.embeds.device == gpu
            torch.testing.assert_close(sample.regions.embeds.cpu(), expected.regions.embeds)
    model.region_encoder = None
    inputs, samples = batch(embeds=False)
    with pytest.raises(InputError, match="2 of 2 images came without region features"):
        model._encode_regions(inputs, samples)


def test_wrong_sizes_are_told(repository):
    model = build(STAGE1)
    inputs, samples = batch()
    for sample in samples:
        sample.regions.embeds = sample.regions.embeds[:, :64]
    with pytest.raises(InputError, match="feature bank is of another CLIP"):
        model.loss(inputs, samples)
    with pytest.raises(InputError, match="freeze is 'head', expected one of"):
        MODELS.build(dict(load_config("configs/mini/detector.py").model, freeze=["head"]))
