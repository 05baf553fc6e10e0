"""How many frames of a mini world one core renders in a second.

    python tools/benchmarks/rendering.py [--scenes 24] [--seed 0] [--dial speed=2 ...]

Scenes of each kind are drawn and rendered with their ground truth in one thread, the kinds in turn.
Counted are seconds of the processor, which other programs on the machine change little.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import process_time

import cv2
from arguments import parse

from vovtrack.cli.synth import read_dials
from vovtrack.synthetic import SIZES
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.scene import Scene
from vovtrack.synthetic.sections import Job, frames_of, recipe_of, scene_rng

KINDS = {
    "stills": "lvis_train",
    "validation videos": "tao_validation",
    "shifted videos": "tao_shifted",
    "raw clips": "raw",
}


def render(section: str, index: int, seed: int, dials: Dials) -> tuple[int, float]:
    """Render one scene; return its frames and the seconds of the processor."""
    begin = process_time()
    rng = scene_rng(seed, section, index)
    scene = Scene(rng, recipe_of(section, SIZES["small"], dials))
    frames, _ = frames_of(Job(section, index, seed, Path(), SIZES["small"], dials), rng)
    for frame in frames:
        scene.render(frame)
    return len(frames), process_time() - begin


def main() -> None:
    """Print frames per second of every kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=24, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dial", action="append", default=[], metavar="NAME=VALUE")
    args = parse(parser, scenes=1)
    cv2.setNumThreads(1)
    dials = read_dials(args.dial)
    render("lvis_train", 0, args.seed, dials)  # photographs are read once
    done = {kind: [0, 0.0] for kind in KINDS}
    for index in range(args.scenes):
        for kind, section in KINDS.items():
            frames, seconds = render(section, index, args.seed, dials)
            done[kind][0] += frames
            done[kind][1] += seconds
    size = f"{SIZES['small'].width}x{SIZES['small'].height}"
    for kind, (frames, seconds) in done.items():
        print(f"{kind}: {frames / seconds:.0f} frames/s of {size} ({frames} frames)")


if __name__ == "__main__":
    main()
