"""One frame of a tracker of single objects: ours against the straightforward form, in turn.

    python tools/benchmarks/single_objects.py [--configs dimp50 super_dimp] [--objects 1 4]

Both ways have the same weights, drawn at random, with statistics of the frames, the same full
memories, and before each frame the same boxes. The seconds are those of the processor with one
thread, so other jobs on the machine matter less; each is the least of some frames.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from arguments import parse
from mmengine.config import Config
from single_objects_reference import Straightforward, straightforward
from torch import nn

from vovtrack.engine.configs import find_config, read_config
from vovtrack.engine.fuse import prepare_for_speed
from vovtrack.engine.load import build_model, without_pretraining
from vovtrack.registry import TASK_UTILS
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.online import DiMPTracker
from vovtrack.structures import Target
from vovtrack.synthetic import render_clip

PARTS = ("backbone", "features of the filter", "boxes", "features of the boxes", "learning")
"""Of a frame; the features are the larger part of the boxes."""
BOXES, STEEPNESS = 32, 0.25
"""By which it is known how steep overlaps are, and how steep they are made: that of a box that is
moved by its own size is 1, and 0 where it fits."""
Seconds = dict[str, float]


@dataclass
class Way:
    """One of the two ways.

    Attributes:
        tracker: Follows the objects.
        spent: Seconds of the parts of the frame under way.
        frames: What each frame took, by the steps of the optimiser in it.
        calls: How often a part was computed.
    """

    tracker: DiMPTracker
    spent: Seconds = field(default_factory=lambda: defaultdict(float))
    frames: dict[int, list[Seconds]] = field(default_factory=lambda: defaultdict(list))
    calls: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        model = self.tracker.model
        self._watch(model, "extract", "backbone")
        self._watch(model.classifier, "extract", "features of the filter")
        self._watch(model.classifier.filter_optimizer, "forward", "learning")
        self._watch(self.tracker, "_refined", "boxes")
        self._watch(model.iou_net, "features", "features of the boxes")

    def _watch(self, owner: object, method: str, part: str) -> None:
        plain = getattr(owner, method)

        def noted(*args, **kwargs):
            begin = time.thread_time()
            found = plain(*args, **kwargs)
            self.spent[part] += time.thread_time() - begin
            self.calls[part] += 1
            return found

        setattr(owner, method, noted)

    def step(self, frame: np.ndarray) -> np.ndarray:
        """The boxes of the next frame, whose seconds are noted."""
        self.spent.clear()
        begin = time.thread_time()
        boxes = self.tracker.step(frame).bboxes
        self.spent["frame"] = time.thread_time() - begin
        steps = [t.sight.steps for t in self.tracker.followed.values() if t.sight is not None]
        self.frames[max(steps)].append(dict(self.spent))
        return boxes

    @property
    def without_learning(self) -> float:
        """Seconds of a frame without what the optimiser took."""
        frames = [frame for alike in self.frames.values() for frame in alike]
        return min(frame["frame"] - frame.get("learning", 0.0) for frame in frames)

    def least(self, steps: int, part: str) -> float:
        """Seconds of a part in frames in which the optimiser takes so many steps."""
        return min(frame.get(part, 0.0) for frame in self.frames[steps])


def calibrate(model: DiMP, frames: np.ndarray, side: int) -> None:
    """Let norms have the statistics of some frames, and foretold overlaps be as steep as overlaps.

    A trained network has both; without, boxes would be moved far out of the frame.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    images = nn.functional.interpolate(images, (side, side))
    for norm in norms:
        norm.train().reset_running_stats()
        norm.momentum = None
    boxes = side / 4 * (1 + torch.rand(len(images), BOXES, 4))
    with torch.no_grad():
        maps = model.extract(model.normalize(images))
        model.classifier.extract(maps[1])
        net = model.iou_net
        vectors = net.modulation(maps, boxes[:, 0])
        net(vectors, net.features(maps), boxes)
    model.eval()
    moved = boxes.requires_grad_()
    found = net(vectors, net.features(maps), moved).sum()
    slope = torch.autograd.grad(found, moved)[0] * moved[..., 2:].repeat(1, 1, 2)
    net.iou_predictor.weight.data *= STEEPNESS / slope.abs().mean()


def build(cfg: Config, frames: np.ndarray) -> dict[str, Way]:
    """Both ways with the same weights."""
    torch.manual_seed(0)
    model = build_model(without_pretraining(cfg)).eval()
    calibrate(model, frames, cfg.online.side)
    options = {name: value for name, value in cfg.online.items() if name != "type"}
    options["localization"] = dict(options["localization"], not_found=-np.inf)
    ours = TASK_UTILS.get(cfg.online.type)
    plain: Callable[..., Any] = type("Plain", (Straightforward, ours), {})
    return {
        "straightforward": Way(plain(straightforward(deepcopy(model)), **options)),
        "ours": Way(ours(prepare_for_speed(model), **options)),
    }


def fill(tracker: DiMPTracker) -> None:
    """Let all targets have full memories, of what was seen in the first frame."""
    for target in tracker.followed.values():
        memory, learned = target.filter.memory, target.filter
        for row in range(memory.size - memory.initial):
            slot = memory.insert(tracker.learning.rate)
            for stored in (learned.samples, learned.boxes):
                stored[slot] = stored[row % memory.initial]


def run(cfg: Config, args: argparse.Namespace, count: int) -> dict[str, Way]:
    """Both ways in turn through the frames, every second of which is one that updates."""
    frames, truth = render_clip(0, 1 + 2 * args.frames, args.width, args.height)
    ways = build(cfg, frames[:4])
    boxes = truth.bboxes[truth.frame_ids == 0][:count]
    for way in ways.values():
        way.tracker.start(frames[0], Target(boxes=boxes))
        way.tracker.step(frames[0])
        fill(way.tracker)
    plain, ours = (ways[name].tracker for name in ("straightforward", "ours"))
    gaps = []
    for number, frame in enumerate(frames[1:]):
        for track_id, target in plain.followed.items():
            other = ours.followed[track_id]
            other.placement = deepcopy(target.placement)
            other.age = target.age = number % 2 - 1
        found = [way.step(frame) for way in ways.values()]
        gaps.append(np.abs(found[0] - found[1]).max())
    gap, middle = max(gaps), np.median(gaps)
    print(f"  boxes differ by at most {gap:.2g} pixels, half of the time by {middle:.2g}")
    return ways


def report(ways: dict[str, Way], every: int) -> tuple[float, float]:
    """Print what the frames took; that of a frame without learning, by both ways."""
    theirs, own = ways["straightforward"], ways["ours"]
    both = sorted(set(theirs.frames) & set(own.frames))
    for steps in both:
        kind = f"{steps} steps of learning" if steps else "nothing learned"
        print(f"  {kind} ({len(own.frames[steps])} frames), seconds:")
        for part in (*PARTS, "frame"):
            a, b = theirs.least(steps, part), own.least(steps, part)
            print(f"    {part:<26}{a:8.3f}{b:8.3f}{a / max(b, 1e-9):8.2f}x")
    mean = [
        way.least(both[0], "frame") * (1 - 1 / every) + way.least(both[-1], "frame") / every
        for way in (theirs, own)
    ]
    print(f"  a frame, one in {every} of which updates: {mean[0] / mean[1]:.2f}x")
    again = own.calls["features of the boxes"] - own.calls["boxes"]
    print(f"  whole maps were looked at in {again} of {own.calls['boxes']} frames")
    return theirs.without_learning, own.without_learning


def main() -> None:
    """Print the seconds of both ways, and of several objects against one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", default=["sot/dimp50", "sot/super_dimp"])
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--frames", type=int, default=4, help="of each kind")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    args = parse(parser, configs=["sot/mini"], objects=[1, 2], frames=1, width=160, height=120)
    torch.set_num_threads(1)
    for name in args.configs:
        cfg = read_config(find_config(name))
        took = {}
        for count in args.objects:
            print(f"{name}, objects: {count}, {args.height}x{args.width}")
            took[count] = report(run(cfg, args, count), cfg.online.learning.every)
        first = args.objects[0]
        for count in args.objects[1:]:
            by = [took[count][way] / took[first][way] for way in (0, 1)]
            print(f"{name}, without learning: {count} objects take {by[1]:.2f} times as long")
            print(f"  as {first}, in the straightforward form {by[0]:.2f} times")


if __name__ == "__main__":
    main()
