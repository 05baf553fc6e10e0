"""Batch statistics of the frozen detector, as the released training computes them.

It lets the views of a batch pass the detector one after the other: key and reference images in
stage 3, the frames of each place in time in stage 4. The reference here is plain torch: a
convolution and a ``torch.nn.BatchNorm2d`` in train mode for each of the model's.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.config import Config
from mmengine.structures import InstanceData
from seeded import normal, seeded_state_dict
from torch.nn.modules.batchnorm import _BatchNorm

from vovtrack.registry import MODELS

STAGE3, STAGE4 = "ovtrack", "ovtrack_self_supervised_released"
SHAPES = (96, 128), (64, 96), (96, 96), (64, 128)
"""Padded sizes of the images of each view: a batch is padded to the largest."""


def make(repo_root, name: str, **changes):
    cfg = Config.fromfile(repo_root / f"configs/mini/{name}.py").model
    cfg.update(changes)
    cfg.detector.backbone.norm_eval = True
    model = MODELS.build(cfg)
    names = [f"class {i}" for i in range(len(model.vocabulary))]
    model.set_classes(names, F.normalize(normal((len(names), 64), "classes"), dim=1))
    weights = model.state_dict().items()
    # Each tensor is drawn by its name in a released file.
    shapes = {key.removeprefix("detector."): list(value.shape) for key, value in weights}
    model.load_state_dict(seeded_state_dict(shapes, "a"))
    return model.train()


def make_batch(views: int, size: int = 2):
    """Images of the views in turn, each view of its own size, brightness and contrast."""
    inputs = torch.zeros(size * views, 3, *SHAPES[0])
    samples = []
    for i in range(len(inputs)):
        height, width = SHAPES[i % views]
        image = normal((3, height, width), "image", str(i))
        inputs[i, :, :height, :width] = image * (1 + i % views) + i % views
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(height, width), pad_shape=(height, width), ori_shape=(height, width),
                scale_factor=(1.0, 1.0), clip_length=views,
            )
        )  # fmt: skip
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[8.0, 8, 40, 40], [30, 20, 80, 60]]),
            labels=torch.tensor([0, 1]),
            instances_ids=torch.tensor([0, 1]),
        )
        samples.append(sample)
    return inputs, samples


class PlainNorms:
    """Convolutions with batch norm in train mode, of plain torch modules that start like ours."""

    def __init__(self, model) -> None:
        self.weights = {name: p.detach().clone() for name, p in model.detector.named_parameters()}
        self.norms = {}
        for name, module in model.detector.named_modules():
            if isinstance(module, _BatchNorm):
                plain = torch.nn.BatchNorm2d(module.num_features)
                plain.load_state_dict(module.state_dict())
                self.norms[name] = plain

    def conv(self, name: str, maps: torch.Tensor) -> torch.Tensor:
        kernel = self.weights[f"{name}.conv.weight"]
        return self.norms[f"{name}.bn"](F.conv2d(maps, kernel, padding=kernel.shape[-1] // 2))

    def neck(self, maps) -> tuple[torch.Tensor, ...]:
        maps = [self.conv(f"neck.lateral_convs.{i}", m) for i, m in enumerate(maps)]
        for i in reversed(range(len(maps) - 1)):
            maps[i] = maps[i] + F.interpolate(maps[i + 1], size=maps[i].shape[2:])
        maps = [self.conv(f"neck.fpn_convs.{i}", m) for i, m in enumerate(maps)]
        return *maps, F.max_pool2d(maps[-1], 1, stride=2)

    def trunk(self, regions: torch.Tensor) -> None:
        for i in range(2):
            regions = self.conv(f"roi_head.bbox_head.text_branch.convs.{i}", regions).relu()


@torch.no_grad()
def view_by_view(model, inputs, samples, views: int, heads: bool) -> dict[str, _BatchNorm]:
    """The batch norms after one pass per view, cut to its own size."""
    plain, detector = PlainNorms(model), model.detector
    for view in range(views):
        height, width = SHAPES[view]
        feats = plain.neck(detector.backbone(inputs[view::views, :, :height, :width]))
        if heads:
            own = samples[view::views]
            found = detector.rpn_head.predict(feats, own, rescale=False)
            rois = bbox2roi([proposals.bboxes for proposals in found])
            plain.trunk(detector.roi_head.bbox_roi_extractor(feats, rois))
    return plain.norms


def statistics(model) -> dict[str, torch.Tensor]:
    return {name: b.clone() for name, b in model.named_buffers() if ".running_" in name}


def compare(model, expected: dict[str, _BatchNorm]) -> None:
    for name, module in model.detector.named_modules():
        if isinstance(module, _BatchNorm):
            for field, value in module.named_buffers():
                wanted = expected[name].get_buffer(field)
                torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-5, msg=name + field)


@pytest.mark.parametrize(
    ("config", "views", "changed", "recorded"),
    [
        (STAGE3, 2, {"neck"}, (1.050441, 0.847192, 0.816541)),
        (STAGE4, 4, {"neck", "roi_head"}, (0.870760, 0.704258, 0.687584)),
    ],
)
def test_each_view_passes_by_itself(repo_root, config, views, changed, recorded):
    model = make(repo_root, config, frozen_bn="train", separate_views=True)
    inputs, samples = make_batch(views)
    before = statistics(model)
    expected = view_by_view(model, inputs, samples, views, heads="roi_head" in changed)
    model.loss(inputs, samples)
    compare(model, expected)
    after = statistics(model)
    assert {n.split(".")[1] for n in after if not torch.equal(after[n], before[n])} == changed
    norm = model.detector.neck.lateral_convs[0].bn
    assert norm.num_batches_tracked == views
    torch.testing.assert_close(norm.running_var[:3], torch.tensor(recorded), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("config", "views"), [(STAGE3, 2), (STAGE4, 4)])
def test_frozen_statistics_see_no_difference(repo_root, config, views):
    inputs, samples = make_batch(views)
    shape = (64, 96)
    for sample in samples:
        sample.set_metainfo(dict(img_shape=shape, pad_shape=shape))
    losses = []
    for separate in (True, False):
        model = make(repo_root, config, frozen_bn="eval", separate_views=separate)
        before = statistics(model)
        torch.manual_seed(0)
        losses.append(model.loss(inputs[:, :, :64, :96], samples))
        assert all(torch.equal(value, before[name]) for name, value in statistics(model).items())
    for name, value in losses[0].items():
        torch.testing.assert_close(value, losses[1][name], rtol=1e-3, atol=1e-5)


def test_the_released_configs_separate_views_and_synchronise(repo_root):
    folder = repo_root / "configs/ovtrack-teta"
    released = [path for path in folder.rglob("*.py") if "_corrected" not in path.name]
    assert len(released) >= 3
    for path in released:
        cfg = Config.fromfile(path)
        assert (cfg.model.frozen_bn, cfg.model.separate_views) == ("train", True), path
        assert cfg.sync_bn == "torch", path
