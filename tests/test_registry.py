"""Registered parts: documented, uniquely named, and the mini models train on a fake batch."""

from __future__ import annotations

import importlib
import inspect

import pytest
import torch
from mmengine.registry import Registry
from mmengine.structures import InstanceData

PACKAGES = ("vovtrack", "detpro", "ovtrack")
REGISTERING = (
    "vovtrack.models",
    "vovtrack.datasets",
    "vovtrack.evaluation.metrics.tao_tracks",
    "detpro",
    "ovtrack",
    "vovtrack.point",
    "vovtrack.graph.models",
)


def registered() -> list[type]:
    """Classes and functions that our packages put into the registries, by name."""
    for name in REGISTERING:
        importlib.import_module(name)
    registries = vars(importlib.import_module("vovtrack.registry")).values()
    found = {
        part
        for registry in registries
        if isinstance(registry, Registry)
        for part in registry.module_dict.values()
        if part.__module__.split(".")[0] in PACKAGES
    }
    return sorted(found, key=lambda part: part.__name__)


def test_our_parts_are_registered():
    names = {part.__name__ for part in registered()}
    assert {"OVTrack", "OVTracker", "OpenVocabDetector", "OpenVocabRoIHead"} <= names


def test_every_part_documents_itself_and_its_arguments():
    silent = []
    for part in registered():
        text = part.__doc__ or ""
        constructor = vars(part).get("__init__") if inspect.isclass(part) else part
        parameters = inspect.signature(constructor).parameters.values() if constructor else ()
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        named = [p.name for p in parameters if p.kind in kinds and p.name != "self"]
        silent += [part.__name__] if not text else []
        silent += [f"{part.__name__}({name})" for name in named if f"{name}:" not in text]
    assert not silent, f"no word on these parts or arguments in their docstrings: {silent}"


def fake_batch(num_images: int, num_classes: int) -> dict:
    """Random images with two objects each; the objects of images 2k and 2k+1 are the same."""
    from mmdet.structures import DetDataSample

    generator = torch.Generator().manual_seed(0)
    inputs, samples = [], []
    for index in range(num_images):
        inputs.append(torch.randint(0, 256, (3, 128, 160), generator=generator, dtype=torch.uint8))
        boxes = torch.tensor([[10.0, 12, 58, 66], [70, 30, 140, 100]]) + index % 2
        sample = DetDataSample(
            metainfo=dict(
                img_id=index,
                video_id=index // 2,
                frame_id=index % 2,
                img_shape=(128, 160),
                ori_shape=(128, 160),
                scale_factor=(1.0, 1.0),
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=boxes,
            labels=torch.arange(2) % num_classes,
            instances_ids=torch.arange(2) + 2 * (index // 2),
        )
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


@pytest.mark.parametrize("config", ["configs/mini/detector.py", "configs/mini/ovtrack.py"])
def test_every_trainable_parameter_gets_a_gradient(config, repository):
    from vovtrack.engine.run import load_config
    from vovtrack.registry import MODELS
    from vovtrack.structures import Vocabulary

    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    names = ["red star", "blue ring", "green bar"]
    embeds = torch.randn(len(names), model.embed_dims)
    model.set_classes(Vocabulary.from_names(names), embeds)
    model.train()

    batch = model.data_preprocessor(fake_batch(4, len(names)), training=True)
    losses = model(**batch, mode="loss")
    total, _ = model.parse_losses(losses)
    total.backward()

    assert torch.isfinite(total)
    trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert trainable
    assert [n for n, p in trainable.items() if p.grad is None] == []
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad and p.grad is not None]
    assert frozen == []
