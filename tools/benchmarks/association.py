"""Association alone: 110 detections against 300 remembered tracks, ours against the loop.

    python tools/benchmarks/association.py [--detections 110] [--tracks 300] [--frames 50]

Both trackers see the same frames in one process; their track ids must be identical.
"""

from __future__ import annotations

import argparse
import time

import torch
from arguments import parse
from mmengine.structures import InstanceData
from reference import LoopTracker

from ovtrack.trackers import OVTracker

SETTINGS = dict(match_score_thr=0.33, memo_frames=30, momentum_embed=0.4)


def make_frames(args: argparse.Namespace) -> list[InstanceData]:
    """First one frame with all identities, then frames with a noisy part of them."""
    generator = torch.Generator().manual_seed(0)
    # Small enough for the loop, whose exponential overflows at dot products above 88.
    identities = torch.randn(args.tracks, args.dims, generator=generator) * 0.3
    frames = []
    for t in range(args.frames + 1):
        n = args.tracks if t == 0 else args.detections
        chosen = torch.randperm(args.tracks, generator=generator)[:n]
        # Boxes lie on a grid, so that none is a distractor and all take part in matching.
        corners = torch.stack([chosen % 20, chosen // 20], dim=1) * 50.0
        noise = torch.randn(n, args.dims, generator=generator) * 0.1
        frames.append(
            InstanceData(
                bboxes=torch.cat([corners, corners + 40], dim=1),
                scores=torch.linspace(0.009, 0.004, n),
                labels=torch.zeros(n, dtype=torch.long),
                embeds=identities[chosen] + noise,
            )
        )
    return frames


def main() -> None:
    """Run both trackers over the same frames and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detections", type=int, default=110)
    parser.add_argument("--tracks", type=int, default=300)
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    args = parse(parser, detections=11, tracks=30, frames=5)
    torch.set_num_threads(args.threads)
    frames = make_frames(args)
    ours, loop = OVTracker(**SETTINGS), LoopTracker(0.33, 30, 0.4)
    seconds = {"loop": 0.0, "ours": 0.0}
    for t, frame in enumerate(frames):
        start = time.perf_counter()
        loop_ids = loop.update(frame.bboxes, frame.scores, frame.embeds, t)
        middle = time.perf_counter()
        our_ids = ours.update(frame, t).instances_id.tolist()
        end = time.perf_counter()
        assert our_ids == loop_ids, f"track ids differ in frame {t}"
        if t > 0:
            seconds["loop"] += middle - start
            seconds["ours"] += end - middle
    for name, total in seconds.items():
        print(f"{name}: {1e3 * total / args.frames:.3f} ms per frame")
    print(
        f"ratio: {seconds['loop'] / seconds['ours']:.1f}, identical ids, {loop.num_issued} tracks"
    )


if __name__ == "__main__":
    main()
