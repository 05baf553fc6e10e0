"""One frame of Track-On: ours against the straightforward form, in turn and in one run.

    python tools/benchmarks/points.py [--points 50 500] [--amp bf16]

Both ways have the same weights, drawn at random, the same frame and the same full memories. The
seconds are those of the processor with one thread, so other jobs on the machine matter less.
Memory is the peak of a process of its own for each way, above what it has once the model is loaded.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from arguments import parse
from mmengine.config import Config
from points_reference import straightforward, straightforward_step
from torch import Tensor

import vovtrack.point  # noqa: F401  registers the model
from vovtrack.engine.fuse import prepare_for_speed
from vovtrack.engine.load import build_model
from vovtrack.point.models import PointState, TrackOn

CONFIG = "configs/_base_/models/trackon.py"
PARTS = {
    "token decoder": ("feature_decoder", "forward"),
    "spatial read": ("sm_query_updater", "read"),
    "re-ranking": ("rerank_module", "forward"),
    "offset": ("offset_head", "forward"),
    "visibility": ("visibility_head", "forward"),
    "write": ("sm_query_updater", "write"),
}
"""Parts of a step that both ways have -> where they are."""
Step = Callable[[PointState, Tensor], object]


def build(args: argparse.Namespace) -> TrackOn:
    """The published model with random weights that tell points and frames apart."""
    config = Config.fromfile(CONFIG)
    config.model.input_size = (args.height, args.width)
    config.model.test_cfg = dict(memory=args.memory, support_grid=0)
    torch.manual_seed(0)
    model = build_model(config).eval()
    for name, parameter in model.named_parameters():
        if "embedding" in name:
            torch.nn.init.normal_(parameter)
    return model


def full_state(model: TrackOn, count: int, memory: int) -> PointState:
    """Points whose memories are full, with every third slot hidden."""
    draws = torch.Generator().manual_seed(1)
    channels = model.projection1.in_features
    state = model.start(torch.randn(1, count, channels, generator=draws))
    state.context = torch.randn(state.context.shape, generator=draws)
    state.spatial = torch.randn(state.spatial.shape, generator=draws)
    state.absent = torch.zeros_like(state.absent)
    state.hidden = (torch.arange(memory) % 3 == 0).expand_as(state.hidden)
    return state


def ours_step(model: TrackOn) -> Step:
    """Our way through a frame."""

    @torch.inference_mode()
    def step(state: PointState, tokens: Tensor) -> object:
        return model.step(state, tokens, logits=False)

    return step


def timed(spent: dict[str, float], name: str, function: Callable, *args: object):
    """Call a function and note its seconds."""
    begin = time.thread_time()
    found = function(*args)
    spent[name] = time.thread_time() - begin
    return found


def watch(model: TrackOn, spent: dict[str, float]) -> None:
    """Note the seconds of the parts of a step."""
    for name, (part, method) in PARTS.items():
        module = getattr(model, part)
        plain = getattr(module, method)

        def noted(*args, name=name, plain=plain, **kwargs):
            begin = time.thread_time()
            found = plain(*args, **kwargs)
            spent[name] = time.thread_time() - begin
            return found

        setattr(module, method, noted)


def compare(args: argparse.Namespace, count: int) -> None:
    """Both ways in turn, and by how much their points differ."""
    plain = straightforward(model := build(args))
    ours = prepare_for_speed(model)
    frame = torch.rand(1, 3, args.height, args.width) * 255
    spent: dict[str, dict[str, float]] = {"straightforward": {}, "ours": {}}
    ways = {
        "straightforward": (plain, lambda s, t: straightforward_step(plain, s, t)),
        "ours": (ours, ours_step(ours)),
    }
    for name, (way, _) in ways.items():
        watch(way, spent[name])
    best: dict[str, dict[str, float]] = {name: {} for name in ways}
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=args.amp is not None)
    points = {}
    for _ in range(1 + args.repeats):
        for name, (way, step) in ways.items():
            state = full_state(way, count, args.memory)
            with torch.inference_mode(), autocast if name == "ours" else torch.no_grad():
                tokens = timed(spent[name], "backbone", way.encode, frame)
                said = timed(spent[name], "step", step, state, tokens)
            points[name] = said.points
            spent[name]["frame"] = spent[name]["backbone"] + spent[name]["step"]
            for part, seconds in spent[name].items():
                best[name][part] = min(seconds, best[name].get(part, seconds))
    for parts in best.values():
        known = sum(parts[part] for part in PARTS)
        parts["query decoder, similarity"] = parts["step"] - known
    print(f"{count} points, memory {args.memory}, {args.height}x{args.width}, seconds of a frame:")
    for part in ("backbone", *PARTS, "query decoder, similarity", "frame"):
        theirs, own = best["straightforward"][part], best["ours"][part]
        print(f"  {part:<26}{theirs:8.3f}{own:8.3f}{theirs / own:8.2f}x")
    gap = (points["ours"] - points["straightforward"]).abs().amax(-1)
    same = (gap < 1e-3).float().mean()
    print(f"  points differ by at most {gap.max():.2g} pixels; {same:.1%} by less than 0.001")


def peak(args: argparse.Namespace, way: str, count: int) -> float:
    """MiB above the loaded model that one frame takes in this process."""
    model = build(args)
    ours = way == "ours"
    model = prepare_for_speed(model) if ours else straightforward(model)
    step = ours_step(model) if ours else lambda s, t: straightforward_step(model, s, t)
    frame = torch.rand(1, 3, args.height, args.width) * 255
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    state = full_state(model, count, args.memory)
    with torch.inference_mode():
        for _ in range(2):
            step(state, model.encode(frame))
    return resident("VmHWM") - before


def resident(field: str) -> float:
    """MiB of this process now (``VmRSS``) or at its peak (``VmHWM``); Linux only."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None, "Linux says so"
    return int(found[1]) / 1024


def main() -> None:
    """Print the seconds of both ways, and their memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--memory", type=int, default=48)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--amp", choices=["bf16"], help="autocast of our way")
    parser.add_argument("--peak-of", choices=["straightforward", "ours"], help="memory alone")
    args = parse(parser, points=[5], memory=4, height=64, width=96, repeats=1)
    torch.set_num_threads(1)
    if args.peak_of:
        print(json.dumps(peak(args, args.peak_of, args.points[0])))
        return
    for count in args.points:
        compare(args, count)
        words = [sys.executable, *sys.argv, "--points", str(count), "--peak-of"]
        found = {
            way: json.loads(subprocess.check_output([*words, way]).split()[-1])
            for way in ("straightforward", "ours")
        }
        ratio = found["straightforward"] / max(found["ours"], 1e-3)
        print(f"  memory above the model: {found['straightforward']:.0f} MiB, ", end="")
        print(f"ours {found['ours']:.0f} MiB, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
