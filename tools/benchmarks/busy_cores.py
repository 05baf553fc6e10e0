"""How training slows down where other programs use the cores, by OpenMP's ways of waiting.

    python tools/benchmarks/busy_cores.py [--rounds 3] [--steps 5] [--load N]

A step of the mini detector runs on all cores, in a process of its own for each way of waiting,
alone and beside one busy loop per core. The ways take turns, so that all see the same machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter

from arguments import parse

WAYS = {
    "OpenMP's default": {},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "GOMP_SPINCOUNT=3000": {"GOMP_SPINCOUNT": "3000"},
}


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """So many other programs that compute all the time."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def seconds_per_step(args: argparse.Namespace, settings: dict[str, str]) -> list[float]:
    """Median times of a training step, alone and busy, in a new process with these settings."""
    taken = {name for values in WAYS.values() for name in values} | {"OMP_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name not in taken}
    command = [sys.executable, __file__, "--measure"]
    for name in ("steps", "threads", "batch", "load"):
        command += [f"--{name}", str(getattr(args, name))]
    done = subprocess.run(
        command, env={**environment, **settings}, capture_output=True, text=True, check=True
    )
    return [float(word) for word in done.stdout.split()[-2:]]


def measure(args: argparse.Namespace) -> None:
    """Print the median times of a step of this process, alone and beside busy loops."""
    import torch
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    from vovtrack.engine.run import load_config
    from vovtrack.registry import MODELS

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    size = (192, 256)
    model = MODELS.build(load_config("configs/mini/detector.py").model).train()
    model.set_classes(model.vocabulary, torch.randn(len(model.vocabulary), 64))
    meta = dict(img_shape=size, pad_shape=size, batch_input_shape=size, scale_factor=(1.0, 1.0))
    samples = []
    for _ in range(args.batch):
        corner = torch.rand(6, 2) * 120
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corner, corner + 40], dim=1), labels=torch.zeros(6, dtype=torch.long)
        )
        samples.append(sample)
    images = torch.randn(args.batch, 3, *size)

    def step() -> float:
        begin = perf_counter()
        model.parse_losses(model.loss(images, samples))[0].backward()
        return perf_counter() - begin

    step()
    alone = median(step() for _ in range(args.steps))
    with busy_loops(args.load):
        print(alone, median(step() for _ in range(args.steps)))


def main() -> None:
    """Measure, and print a table."""
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="per round")
    parser.add_argument("--batch", type=int, default=8, help="images of 256x192 per step")
    parser.add_argument("--threads", type=int, default=cores)
    parser.add_argument("--load", type=int, default=cores, help="busy loops beside it")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parse(parser, rounds=1, steps=1, batch=1)
    if args.measure:
        measure(args)
        return
    times = defaultdict(list)
    for _ in range(args.rounds):
        for way, settings in WAYS.items():
            times[way].append(seconds_per_step(args, settings))
    print(f"{args.threads} threads, {args.load} busy loops, median and worst of {args.rounds}:")
    for way, pairs in times.items():
        alone, busy = zip(*pairs, strict=True)
        print(
            f"{way:>24}: alone {median(alone):.2f} s (worst {max(alone):.2f}), "
            f"busy {median(busy):.2f} s (worst {max(busy):.2f})"
        )


if __name__ == "__main__":
    main()
