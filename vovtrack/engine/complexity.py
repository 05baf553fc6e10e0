"""How large a model is and how much it computes for one image."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vovtrack.engine.load import build_model, without_pretraining
from vovtrack.errors import InputError


class Cost(NamedTuple):
    """What a part of a model costs."""

    part: str
    """Name of the part, ``other`` for what runs between parts, ``total`` for the model."""
    parameters: int
    flops: int
    """Of matrix products and convolutions; a product and its addition are two."""


def count_costs(cfg: Config, scale: tuple[int, int] | None = None, seed: int = 0) -> list[Cost]:
    """Count parameters, and operations for one image, of a model and its parts.

    The weights are random. Numbers of proposals and boxes are then near their limits, or near
    none where thresholds are high; what they cost depends on the weights.

    Args:
        cfg: The config.
        scale: (width, height) of the network input; by default the config's ``frame_scale``.
        seed: Of weights, class embeddings and image.

    Raises:
        InputError: The config has no model, or neither it nor the caller gives a size.
    """
    scale = scale or cfg.get("frame_scale")
    if "model" not in cfg or scale is None:
        raise InputError("Operations are counted for a config with a model, of a given --scale.")
    torch.manual_seed(seed)
    model = build_model(without_pretraining(cfg)).eval()
    if hasattr(model, "set_classes"):
        embeds = torch.randn(len(model.vocabulary), model.embed_dims)
        model.set_classes(model.vocabulary, embeds)
    width, height = scale
    image, sample = torch.randn(1, 3, height, width), _sample(width, height)
    counter = FlopCounterMode(display=False)
    flops = _watch(model, counter)
    with torch.no_grad():
        model.predict(image, [sample])  # what is prepared once does not count
        flops.clear()
        with counter:
            model.predict(image, [sample])
    total = counter.get_total_flops()
    sizes = {name: _size(part) for name, part in _parts(model).items() if _size(part)}
    costs = [Cost(name, size, flops[name]) for name, size in sizes.items()]
    rest = Cost("other", 0, total - sum(cost.flops for cost in costs))
    return [*costs, *([rest] if rest.flops else []), Cost("total", _size(model), total)]


def _watch(model: nn.Module, counter: FlopCounterMode) -> Counter[str]:
    """Operations by part of a model, filled when it runs under ``counter``.

    Parts are often called by methods of their own, of which a counter of modules knows nothing: a
    part is at work while any module inside of it is.
    """
    flops: Counter[str] = Counter()
    depth: Counter[str] = Counter()
    begun: dict[str, int] = {}
    for name, part in _parts(model).items():

        def enter(*_, name: str = name) -> None:
            begun[name] = begun[name] if depth[name] else counter.get_total_flops()
            depth[name] += 1

        def leave(*_, name: str = name) -> None:
            depth[name] -= 1
            if not depth[name]:
                flops[name] += counter.get_total_flops() - begun[name]

        for module in part.modules():
            module.register_forward_pre_hook(enter)
            module.register_forward_hook(leave)
    return flops


def _parts(model: nn.Module) -> dict[str, nn.Module]:
    """The parts of a model by name, those of its detector one by one."""
    parts = dict(model.named_children())
    detector = parts.pop("detector", None)
    return {**(dict(detector.named_children()) if detector is not None else {}), **parts}


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _sample(width: int, height: int) -> DetDataSample:
    shape = (height, width)
    return DetDataSample(
        metainfo=dict(
            img_shape=shape,
            ori_shape=shape,
            pad_shape=shape,
            batch_input_shape=shape,
            scale_factor=(1.0, 1.0),
            frame_id=0,
            video_length=1,
        )
    )
