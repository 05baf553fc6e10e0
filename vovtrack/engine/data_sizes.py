"""How much a data config may ask for: its numbers are bounded, its model is measured.

Nothing here runs for a trusted config. Numbers come first, since a loop over a huge one would not
end even where tensors take no memory.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch.utils.flop_counter import FlopCounterMode

from vovtrack.engine.data_configs import OPT_IN, walk
from vovtrack.errors import InputError
from vovtrack.models.limits import measured
from vovtrack.registry import MODELS

MAX_NUMBER = 1_000_000
MAX_NUMBERS = 2_000
"""Numbers in one list: of as many classes as LVIS has."""
_COUNTERS = "seed max_iters interval val_interval begin end T_max total_steps milestones"
COUNTERS = frozenset(_COUNTERS.split())
"""Keys whose number takes neither memory nor time by itself."""
_SIDES = """
scale scales img_scale img_scales frame_scale size crop_size image_size img_size min_size
input_size random_size_range pad_size_divisor size_divisor
"""
SIDES = frozenset(_SIDES.split())
"""Keys of image sizes, pixels."""
RATIOS = frozenset({"ratio_range", "scaling_ratio_range", "resize_ratio", "scale_factor"})
"""Keys of factors by which images grow."""
MAX_SIDE, MAX_RATIO = 4096, 10
LIMITS = {
    "batch_size": 4096,
    "num_batch_per_epoch": MAX_NUMBER,
    "num_workers": 64,
    "prefetch_factor": 64,
    "times": 10_000,
    "oversample_thr": 1,
    "max_refetch": 1000,
    "max_per_img": 10_000,
    "nms_pre": 100_000,
    "output_size": 64,
    "sampling_ratio": 16,
    "roi_feat_size": 64,
    "scales_per_octave": 16,
    "ratios": 64,
    "n_patches": 1000,
    "num_convs": 1000,
    "num_fcs": 1000,
    "num_outs": 64,
    "stacked_convs": 1000,
    **dict.fromkeys(SIDES, MAX_SIDE),
    **dict.fromkeys(RATIOS, MAX_RATIO),
}
"""Largest number under a key, of the key itself or of a list below it."""
MAX_FLOPS = 2e12
"""Of backbone, neck and proposal head; YOLOX-x takes 1.6e12 on the largest image that the training
of QDTrack may make, 2304 x 1280."""
MAX_VIEWS = 256
"""Views of one image in test-time augmentation, and choices of augmentation, multiplied."""


def check_numbers(path: Path, content: Any) -> None:
    """Refuse numbers that would take memory, processes or time without end.

    Args:
        path: The config, for the message.
        content: What it says itself.

    Raises:
        InputError: A number, or the length of a list of numbers, is beyond its limit.
    """
    for key, value in walk(content):
        limit = math.inf if key in COUNTERS else LIMITS.get(key, MAX_NUMBER)
        numbers = list(_numbers(value))
        largest = max((abs(n) for n in numbers), default=0)
        if largest > limit:
            raise _refused(path, f"{largest:.6g} under '{key}'", f"at most {limit}")
        if len(numbers) > (allowed := min(MAX_NUMBERS, _max_count(key))):
            raise _refused(path, f"{len(numbers)} numbers under '{key}'", f"at most {allowed}")
    views = math.prod(_views(value) for key, value in walk(content) if key == "transforms")
    if views > MAX_VIEWS:
        raise _refused(path, f"{views} views of an image", f"at most {MAX_VIEWS}")


def check_model(path: Path, cfg: Config) -> None:
    """Refuse a model that is too large to build, or to run on the largest image it is fed.

    It is built on torch's meta device; backbone, neck and proposal head run there too.

    Args:
        path: The config, for the message.
        cfg: What it says, its bases included.

    Raises:
        InputError: It passes the limits of :mod:`vovtrack.models.limits`, or cannot be built.
    """
    model = cfg.get("model")
    parts = [model, *(model.values() if isinstance(model, Mapping) else ())]
    # A config for 'vovtrack replay' may hold a tracker alone.
    for part in parts[:1] if isinstance(model, Mapping) and "type" in model else parts[1:]:
        if isinstance(part, Mapping) and "type" in part:
            _measure(path, cfg, part)


def _measure(path: Path, cfg: Config, part: Mapping[str, Any]) -> None:
    try:
        with (
            measured(f"Config '{path}'"),
            torch.no_grad(),
            DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmdet"),
        ):
            model = MODELS.build(copy.deepcopy(part))
            model = getattr(model, "detector", model)
            if hasattr(model, "extract_feat"):
                width, height = _largest_image(cfg)
                with FlopCounterMode(display=False) as counter:
                    maps = model.extract_feat(torch.empty(1, 3, height, width))
                    if hasattr(model, "rpn_head"):
                        model.rpn_head(maps)
                if (flops := counter.get_total_flops()) > MAX_FLOPS:
                    asked = f"{flops / 1e9:.0f} GFLOPs for an image of {width} x {height}"
                    raise _refused(path, asked, f"at most {MAX_FLOPS / 1e9:.0f}")
    except InputError:
        raise
    except Exception as error:  # parts of the libraries raise whatever they meet first
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"Config '{path}': its model cannot be built: {type(error).__name__}: {reason}."
        ) from None


def _largest_image(cfg: Config) -> tuple[int, int]:
    """Width and height that hold any image that a pipeline of the config makes."""
    width, height, ratio = 64.0, 64.0, 1.0
    pipelines = {key: value for key, value in cfg.items() if key != "model"}
    for key, value in walk(pipelines):
        numbers = [n for n in _numbers(value) if n > 0]
        if key in SIDES and numbers:
            width, height = max(width, *numbers[::2]), max(height, *(numbers[1::2] or numbers))
        elif key in RATIOS and numbers:
            ratio = max(ratio, *numbers)
    return round(width * ratio), round(height * ratio)


def _numbers(value: Any) -> Iterator[float]:
    """Numbers of a value, or of lists of lists of them; whatever mappings hold has its own key."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield math.inf if math.isnan(value) else value
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _numbers(child)


def _max_count(key: Any) -> int:
    return 64 if key in ("scales", "ratios", "strides", "octave_base_scale") else MAX_NUMBERS


def _views(transforms: Any) -> int:
    """Combinations of test-time augmentation: the product of its lists."""
    lists = [t for t in transforms if isinstance(t, list)] if isinstance(transforms, list) else []
    return math.prod(max(1, len(t)) for t in lists)


def _refused(path: Path, asked: str, allowed: str) -> InputError:
    return InputError(f"Config '{path}' asks for {asked}: {allowed} is allowed. {OPT_IN}")
