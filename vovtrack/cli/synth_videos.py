"""``vovtrack synth --format``: write rendered videos in a real format."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vovtrack.errors import InputError

if TYPE_CHECKING:
    from vovtrack.synthetic.dials import Dials

EXAMPLES = (
    "vovtrack synth --format mot --videos 8 --held-out 2 --out mot",
    "vovtrack synth --format movi --frames 24 --width 512 --height 512 --out movi",
)
OPTIONS = ("format", "frames", "width", "height", "held_out")
"""What goes with sets of videos alone; ``--videos`` goes with ``--boxes-only``, too."""


@dataclass(frozen=True)
class VideoOptions:
    """How many videos of which size were asked for, see :func:`add_arguments`."""

    videos: int
    frames: int
    width: int
    height: int
    held_out: int
    workers: int

    @classmethod
    def of(cls, args: argparse.Namespace) -> VideoOptions:
        """Fill in the defaults.

        Raises:
            InputError: ``--size`` was given, which is that of a world.
        """
        if args.size is not None:
            raise InputError(
                "--size is that of a world; sets of videos have --videos and --frames."
            )
        defaults = {"videos": 20, "frames": 40, "width": 256, "height": 192, "held_out": 0}
        given = {name: getattr(args, name) for name in defaults}
        chosen = {k: default if given[k] is None else given[k] for k, default in defaults.items()}
        workers = (os.cpu_count() or 1) if args.workers is None else args.workers
        return cls(**chosen, workers=workers)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of sets of videos."""
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="instead write videos as mot (MOTChallenge), bdd100k, tapvid, movi (MOVi-F), otb or "
        "got10k",
    )
    parser.add_argument(
        "--frames", type=int, metavar="N", help="with --format: frames of a video (default: 40)"
    )
    parser.add_argument(
        "--width", type=int, metavar="PX", help="with --format: of the frames (default: 256)"
    )
    parser.add_argument(
        "--height", type=int, metavar="PX", help="with --format: of the frames (default: 192)"
    )
    parser.add_argument(
        "--held-out",
        type=int,
        metavar="N",
        help="with --format: how many videos, the last ones, go to the second split of mot, "
        "bdd100k and got10k (default: 0)",
    )


def run(args: argparse.Namespace, dials: Dials | None = None) -> int:
    """Render the videos and say where they are."""
    from vovtrack.synthetic.rendered_videos import class_labels, colour_groups, rendered_videos
    from vovtrack.synthetic.video_set import write_videos

    options = VideoOptions.of(args)
    size = {"frames": options.frames, "width": options.width, "height": options.height}
    sources = rendered_videos(options.videos, **size, seed=args.seed, dials=dials)
    with resumable():
        out = write_videos(
            args.out,
            args.format,
            sources,
            seed=args.seed,
            held_out=options.held_out,
            names=class_labels(),
            groups=colour_groups(),
            settings={**size, "dials": repr(dials)},
            workers=options.workers,
            force=args.force,
            progress=True,
        )
    print(f"{len(sources)} videos: {out}")
    return 0


@contextmanager
def resumable(what: str = "videos") -> Iterator[None]:
    """Tell who interrupts the block that nothing is lost of what it makes."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"Finished {what} are kept: the same command resumes.", file=sys.stderr)
        raise
