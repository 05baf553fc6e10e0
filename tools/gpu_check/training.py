"""One stage on a device in one precision: gradients against the CPU's, steps, time and memory.

    python tools/gpu_check/training.py STAGE PRECISION --device cuda

Prints one line of JSON. Gradients are compared on the trained mini model with rendered frames, in
float32 on the CPU; steps run at full size with random weights, with --quick in the mini world.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
from copy import deepcopy
from statistics import median
from time import perf_counter

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from samples import STAGES, batch, build
from torch import Tensor, nn

from vovtrack.engine.switches import mix_precision

LEAST_COSINE = {"float32": 0.99, "bf16": 0.6, "fp16": 0.8}
"""Of the gradients and the CPU's in float32; half precision also moves which regions are found."""
MINI_SIZE, FULL_SIZE = (192, 256), (800, 1344)


def optimizer(model: nn.Module, cfg: Config, precision: str) -> OptimWrapper:
    """The optimizer wrapper of training, with small steps."""
    settings = deepcopy(cfg)
    if precision != "float32":
        mix_precision(settings, precision)
    settings.optim_wrapper.optimizer.lr = 1e-5
    return build_optim_wrapper(model, settings.optim_wrapper)


def gradient(model: nn.Module, cfg: Config, data: dict, precision: str) -> Tensor:
    """All gradients of one step, with the same random choices on any device."""
    wrapper = optimizer(model, cfg, precision)
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(0)
    with wrapper.optim_context(model):
        ready = model.data_preprocessor(deepcopy(data), True)
        loss, _ = model.parse_losses(model(**ready, mode="loss"))
    wrapper.backward(loss)
    parts = [p.grad.float().flatten().cpu() for p in model.parameters() if p.grad is not None]
    wrapper.zero_grad()
    return torch.cat(parts)


def compare(stage: str, precision: str, device: str) -> dict[str, float]:
    """Cosine and ratio of lengths of the gradients on the device and on the CPU."""
    model, cfg = build(STAGES[stage].mini)
    data = batch(model, *MINI_SIZE)
    settings = getattr(model, "train_cfg", None) or {}
    for part in (settings.get("rcnn"), settings.get("rpn")):
        if part:
            part.sampler.num = 100_000  # all regions: nothing is left to chance
    exact = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    expected = gradient(deepcopy(model).train(), cfg, data, "float32")
    found = gradient(model.to(device).train(), cfg, data, precision)
    torch.backends.cudnn.allow_tf32 = exact
    cosine = torch.cosine_similarity(found.double(), expected.double(), dim=0).item()
    if not cosine >= LEAST_COSINE[precision]:
        raise ValueError(
            f"the gradients have a cosine of {cosine:.4f} with the CPU's, "
            f"expected {LEAST_COSINE[precision]} at least"
        )
    return {"cosine_with_cpu": round(cosine, 5)}


def steps(stage: str, precision: str, device: str, count: int, quick: bool) -> dict[str, float]:
    """Train; the last loss, the median time of a step and the peak of memory."""
    model, cfg = build(STAGES[stage].mini if quick else STAGES[stage].full)
    model.to(device).train()
    size = (96, 128) if quick else FULL_SIZE
    data = batch(model, *size)
    wrapper = optimizer(model, cfg, precision)
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    times, losses = [], []
    for _ in range(count):
        begin = perf_counter()
        losses.append(float(model.train_step(deepcopy(data), wrapper)["loss"]))
        times.append(perf_counter() - begin)
    if not np.isfinite(losses).all():
        raise ValueError(f"{int((~np.isfinite(losses)).sum())} of {count} losses are not finite")
    peak = (
        torch.cuda.max_memory_allocated() / 2**20
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    )
    return {
        "steps": count,
        "last_loss": round(losses[-1], 4),
        "seconds_per_step": round(median(times[1:] or times), 4),
        "peak_mib": round(peak),
    }


def main() -> None:
    """Check one stage in one precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("precision", choices=LEAST_COSINE)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    init_default_scope("mmdet")
    found = compare(args.stage, args.precision, args.device)
    found |= steps(args.stage, args.precision, args.device, args.steps, args.quick)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
