"""``vovtrack prepare frames``: video files as folders of frames, for learning from raw video."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "extract the frames of video files, one folder per video"
EXAMPLES = (
    "vovtrack prepare frames videos/ --out data/raw/mine",
    "vovtrack prepare frames a.mp4 b.mp4 --out data/raw/mine --every 5",
    "vovtrack prepare frames videos/ --out data/raw/mine --quality 90 --workers 4",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-verb."""
    parser.add_argument("videos", type=Path, nargs="+", help="video files, or folders of them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="keep every N-th frame (default: 1)"
    )
    parser.add_argument(
        "--quality", type=int, default=95, metavar="Q", help="JPEG quality 1-100 (default: 95)"
    )
    parser.add_argument("--workers", type=int, help="processes to use (default: one per CPU)")


def run(args: argparse.Namespace) -> int:
    """Extract, list the videos that cannot be read; the exit code is 1 if there are any."""
    from vovtrack.datasets.extraction import extract_videos

    counts, problems = extract_videos(
        args.videos,
        args.out,
        every=args.every,
        quality=args.quality,
        workers=args.workers,
        progress=sys.stderr.isatty(),
    )
    print(f"{sum(counts.values())} frames of {len(counts)} videos in {args.out}")
    for problem in problems:
        print(f"  not extracted: {problem}", file=sys.stderr)
    parent, name = args.out.parent, args.out.name
    print(
        "learn from them with --cfg-options "
        f"train_dataloader.dataset.data_root={parent} train_dataloader.dataset.folders=[{name}]"
    )
    return 1 if problems else 0
