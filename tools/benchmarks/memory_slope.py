"""Memory of a long run: resident size while a tracker streams thousands of frames.

    python tools/benchmarks/memory_slope.py [--frames 10000] [--width 256 --height 192] [--video V]
        [--points 50] [--boxes 1]

Prints the resident size at ten points and the slope of a line through them, without the first
tenth, in which caches fill. With --video the frames of that file are decoded and tracked in a
loop, decoder included. With --points the tracker is the mini Track-On, and follows so many. With
--boxes it is the mini DiMP, with random weights and in small search areas.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
from arguments import parse
from tqdm import tqdm

from vovtrack import load_tracker, read_video
from vovtrack.engine.configs import find_config, read_config
from vovtrack.engine.fuse import prepare_for_speed
from vovtrack.engine.load import build_model, build_online
from vovtrack.engine.online import OnlineTracker
from vovtrack.structures import Target
from vovtrack.synthetic import render_clip

SIZES = 10


def resident_bytes() -> int:
    """Resident set size of this process (Linux)."""
    fields = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) * 1024


def endless_frames(args: argparse.Namespace) -> Iterator[np.ndarray]:
    """Frames of the video again and again, or of a synthetic clip."""
    if args.video:
        return chain.from_iterable(read_video(path) for path in repeat(args.video))
    clip, _ = render_clip(seed=0, num_frames=48, width=args.width, height=args.height)
    return chain.from_iterable(repeat(list(clip)))


def started(args: argparse.Namespace) -> OnlineTracker:
    """The tracker, ready for its first frame, or with points or boxes in it."""
    if args.boxes:
        return started_with_boxes(args)
    if not args.points:
        return load_tracker("mini", device="cpu")
    tracker = load_tracker("trackon/mini", device="cpu")
    first = next(endless_frames(args))
    draws = np.random.default_rng(0).random((args.points, 2))
    tracker.start(first, Target(points=draws * (first.shape[1], first.shape[0])))
    return tracker


def started_with_boxes(args: argparse.Namespace) -> OnlineTracker:
    """A tracker of single objects that believes what it sees."""
    cfg = read_config(find_config("sot/mini"))
    cfg.online.update(side=96, localization=dict(not_found=-1.0))
    tracker = build_online(cfg, prepare_for_speed(build_model(cfg).eval()))
    first = next(endless_frames(args))
    side = min(first.shape[:2]) / 4
    starts = np.linspace(0, first.shape[1] - side, args.boxes)
    tracker.start(first, Target(boxes=[[x, side, x + side, 2 * side] for x in starts]))
    return tracker


def main() -> None:
    """Stream, and report the slope."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--video")
    parser.add_argument("--points", type=int, default=0)
    parser.add_argument("--boxes", type=int, default=0)
    args = parse(parser, frames=20, width=96, height=64)
    tracker = started(args)
    step = args.frames // SIZES
    at, sizes = [], []
    for t, frame in enumerate(tqdm(islice(endless_frames(args), args.frames), total=args.frames)):
        tracker.step(frame)
        if t % step == step - 1:
            at.append(t + 1)
            sizes.append(resident_bytes())
    for frames, size in zip(at, sizes, strict=True):
        print(f"{frames:>8} frames  {size / 2**20:8.1f} MiB")
    slope = np.polyfit(at[1:], sizes[1:], 1)[0]
    print(f"slope: {slope:.1f} bytes per frame; peak {max(sizes) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
