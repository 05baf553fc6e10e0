"""How many frames of a mini world and of moving photographs one core renders in a second.

    python tools/benchmarks/rendering.py [--scenes 24] [--seed 0] [--dial speed=2 ...]

Scenes of each kind are drawn and rendered with their ground truth in one thread, the kinds in turn.
Counted are seconds of the processor, which other programs on the machine change little.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from time import process_time

import cv2
from arguments import parse

from vovtrack.cli.synth import read_dials
from vovtrack.synthetic import SIZES
from vovtrack.synthetic.albums import Album, packaged_album
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.moving_photographs import DIALS as MOVED
from vovtrack.synthetic.moving_photographs import PhotoRecipe
from vovtrack.synthetic.photo_set import open_video
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


def move_photographs(album: Album, index: int, seed: int, dials: Dials) -> tuple[int, float]:
    """Render one video of moving photographs; see `render`."""
    begin = process_time()
    used = {name: getattr(dials, name) for name in MOVED}
    recipe = PhotoRecipe(SIZES["small"].video_frames, dials=Dials(**used))
    video = open_video(album, seed, index, recipe)
    for frame in range(video.num_frames):
        video.render(frame)
    return video.num_frames, process_time() - begin


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
    album = packaged_album("test")
    makers = {kind: partial(render, section) for kind, section in KINDS.items()}
    makers["moving photographs"] = partial(move_photographs, album)
    done = {kind: [0, 0.0] for kind in makers}
    for index in range(args.scenes):
        for kind, make in makers.items():
            frames, seconds = make(index, args.seed, dials)
            done[kind][0] += frames
            done[kind][1] += seconds
    size = f"{SIZES['small'].width}x{SIZES['small'].height}"
    for kind, (frames, seconds) in done.items():
        print(f"{kind}: {frames / seconds:.0f} frames/s of {size} ({frames} frames)")


if __name__ == "__main__":
    main()
