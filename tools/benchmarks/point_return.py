"""How far from their beginning points end that are followed through a real video and back.

    python tools/benchmarks/point_return.py VIDEO ... [--trackers lucas-kanade CONFIG=WEIGHTS]

No one has annotated the videos. But a point that is followed to the last frame that shows it, and
from there back, should be where it began. A tracker that loses a point on the way there and says
so is not asked, so the share of points that are still seen in the last frame stands beside it.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from arguments import parse

from vovtrack.datasets.video import read_video
from vovtrack.engine.load import load_tracker
from vovtrack.engine.packaged_trackers import POINT_TRACKERS
from vovtrack.engine.point_queries import choose_points
from vovtrack.engine.points import follow_points
from vovtrack.engine.recordings.quality import ends

NEAR = 0.02
"""Of the frame's diagonal: where a point has come back to its beginning."""


def main() -> None:
    """Print a row for each video and tracker."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--trackers", nargs="+", default=["lucas-kanade"])
    parser.add_argument("--grid", type=int, default=10, help="points along each side; default: 10")
    parser.add_argument("--max-frames", type=int, help="of a video; default: all")
    args = parse(parser, grid=2, max_frames=3)
    print("| video | tracker | seen at the end | back, median | back within 2 % | ms a frame |")
    print("|---|---|---:|---:|---:|---:|")
    choose = choose_points(None, args.grid, None)
    assert choose is not None
    for video in args.videos:
        source = read_video(video, max_frames=args.max_frames)
        frames = list(source)
        queries = choose(source.width, source.height).queries
        for name in args.trackers:
            print(f"| {video} | {name} | {' | '.join(rate(name, frames, queries))} |", flush=True)


def rate(name: str, frames: list[np.ndarray], queries: np.ndarray) -> list[str]:
    """The cells of a tracker."""
    config, _, weights = name.partition("=")
    alone = (POINT_TRACKERS / f"{name}.py").is_file()
    tracker = load_tracker("mini", tracker=name) if alone else load_tracker(config, weights or None)
    begin = time.perf_counter()
    places, visible = follow_points(tracker, frames, queries)
    seconds = time.perf_counter() - begin
    height, width = frames[0].shape[:2]
    found = np.concatenate([places, visible[..., None]], axis=-1).transpose(1, 0, 2)
    back = ends(found.astype(np.float32), (width, height))
    back[:, 0] = len(frames) - 1 - back[:, 0]
    returned, _ = follow_points(tracker, frames[::-1], back.astype(np.float32))
    error = np.linalg.norm(returned[:, -1] - queries[:, 1:], axis=-1)
    near = (error < NEAR * np.hypot(width, height)).mean()
    return [
        f"{visible[:, -1].mean():.0%}",
        f"{np.median(error):.1f} px",
        f"{near:.0%}",
        f"{1000 * seconds / len(frames):.0f}",
    ]


if __name__ == "__main__":
    main()
