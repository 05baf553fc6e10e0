"""QDTrack's association alone: 100 detections against 200 remembered tracks, ours against the loop.

    python tools/benchmarks/qdtrack_association.py [--detections 100] [--tracks 200] [--frames 50]

Both trackers see the same frames in one process, in turn; their tracks must be identical.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch
from arguments import parse
from mmengine.structures import InstanceData
from reference import QuasiDenseLoop

from ovtrack.trackers import QuasiDenseTracker

INIT_THR, OBJ_THR = 0.7, 0.3


def make_frames(args: argparse.Namespace) -> list[InstanceData]:
    """First one frame with all identities, then frames with a noisy part of them.

    Every tenth detection overlaps another by 0.6, every tenth shows something new. Scores are so
    spread that some detections start tracks, some only continue them and some are suppressed.
    """
    generator = torch.Generator().manual_seed(0)
    identities = torch.randn(args.tracks, args.dims, generator=generator)
    frames = []
    for t in range(args.frames + 1):
        n = args.tracks if t == 0 else args.detections
        chosen = torch.randperm(args.tracks, generator=generator)[:n]
        corners = torch.stack([chosen % 20, chosen // 20], dim=1) * 50.0
        embeds = identities[chosen] + 0.2 * torch.randn(n, args.dims, generator=generator)
        scores = 0.9 + 0.1 * torch.rand(n, generator=generator)
        if t > 0:
            scores = torch.rand(n, generator=generator)
            corners[9::10] = corners[: len(corners[9::10])] + torch.tensor([10.0, 0.0])
            embeds[4::10] = torch.randn(embeds[4::10].shape, generator=generator)
        frames.append(
            InstanceData(
                bboxes=torch.cat([corners, corners + 40], dim=1),
                scores=scores,
                labels=chosen % 8,
                embeds=embeds,
                row=torch.arange(n),
            )
        )
    return frames


def main() -> None:
    """Run both trackers over the same frames and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--tracks", type=int, default=200)
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    args = parse(parser, detections=20, tracks=30, frames=5)
    torch.set_num_threads(args.threads)
    ours = QuasiDenseTracker(init_score_thr=INIT_THR, obj_score_thr=OBJ_THR)
    loop = QuasiDenseLoop(INIT_THR, OBJ_THR)
    seconds: dict[str, list[float]] = {"loop": [], "ours": []}
    remembered = []
    for t, frame in enumerate(make_frames(args)):
        remembered.append(len(ours.memory))
        start = time.perf_counter()
        expected = loop.update(frame, t)
        middle = time.perf_counter()
        out = ours.update(frame, t)
        end = time.perf_counter()
        found = dict(zip(out.instances_id.tolist(), out.row.tolist(), strict=True))
        assert {k: v for k, v in found.items() if k >= 0} == expected, f"frame {t} differs"
        seconds["loop"].append(middle - start)
        seconds["ours"].append(end - middle)
    times = {name: median(values[1:]) for name, values in seconds.items()}
    for name, value in times.items():
        print(f"{name}: {1e3 * value:.3f} ms per frame")
    print(
        f"ratio: {times['loop'] / times['ours']:.1f}, identical ids, "
        f"{median(remembered[1:]):.0f} tracks remembered, {ours.memory.num_issued} in all"
    )


if __name__ == "__main__":
    main()
