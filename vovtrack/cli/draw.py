"""``vovtrack draw``: stored tracks as a video, states of objects as pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from vovtrack.cli.track import CLASSES_HELP

HELP = "draw stored tracks into a video, or states into pictures"
EXAMPLES = (
    "vovtrack draw tracks tracks.json --out drawn.mp4",
    "vovtrack draw states images/ --config configs/mini/detpro_state.py --checkpoint S.pth "
    "--out seen",
    'vovtrack draw tracks tracks.txt --frames video.mp4 --classes "car, person" --out drawn.mp4',
    "vovtrack draw tracks tao_track.json --gt val.json --frames tao/frames --video 7 --out "
    "drawn.mp4",
    "vovtrack draw states one.jpg --config configs/mini/detpro_state.py --checkpoint S.pth "
    "--out seen",
    "vovtrack draw states images/ --config C.py --checkpoint S.pth --out seen --score-thr 0.5",
)
INPUTS = {"results": "the result file", "gt": "the annotation file", "frames": "the frames"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subjects."""
    subjects = parser.add_subparsers(dest="subject", metavar="SUBJECT", required=True)

    tracks = subjects.add_parser("tracks", help="draw a result file over its frames")
    tracks.add_argument(
        "results",
        type=Path,
        help=".json of 'vovtrack track', TAO results (.json, with --gt), MOTChallenge text (.txt)",
    )
    tracks.add_argument(
        "--frames",
        help="video or folder of frames; of TAO results the folder of the annotation's images "
        "(default: the source that the file names)",
    )
    tracks.add_argument("--gt", type=Path, help="annotation file of TAO results")
    tracks.add_argument("--video", metavar="NAME", help="which video of TAO results, name or id")
    tracks.add_argument("--classes", help=f"of MOTChallenge class numbers: {CLASSES_HELP}")
    tracks.add_argument(
        "--out",
        type=Path,
        required=True,
        help="video to write (.mp4), or a picture of four frames (.png)",
    )
    tracks.add_argument("--fps", type=float, help="frames per second (default: of the frames)")
    tracks.add_argument("--score-thr", type=float, default=0.0, help="default: all that is stored")

    states = subjects.add_parser(
        "states", help="paint the objects of images by how trackable they look to state prompts"
    )
    states.add_argument("source", type=Path, help="an image, or a folder of images")
    states.add_argument("--config", required=True, help="config of a model of stage 2")
    states.add_argument("--checkpoint", type=Path, required=True, help="its weights")
    states.add_argument("--out", type=Path, required=True, help="folder to write pictures to")
    states.add_argument("--score-thr", type=float, default=0.3, help="default: 0.3")
    states.add_argument("--device", default="cpu")


def run(args: argparse.Namespace) -> int:
    """Draw, and say what was drawn."""
    dict(tracks=_draw_tracks, states=_draw_states)[args.subject](args)
    return 0


def _draw_tracks(args: argparse.Namespace) -> None:
    from vovtrack.engine.stored_tracks import draw_sheet, draw_stored, open_tracks
    from vovtrack.structures import Vocabulary

    classes = Vocabulary.parse(args.classes).names if args.classes else ()
    stored = open_tracks(args.results, args.frames, args.gt, args.video, classes)
    if args.out.suffix.lower() == ".png":
        frames, tracks = draw_sheet(stored, args.out, args.score_thr)
    else:
        frames, tracks = draw_stored(stored, args.out, args.fps, args.score_thr)
    print(f"{args.out}: {frames} frames, {tracks} tracks")


def _draw_states(args: argparse.Namespace) -> None:
    from detpro.state_pictures import draw_state_images
    from vovtrack.datasets.frame_pipeline import FramePipeline
    from vovtrack.engine.load import load_model

    model, cfg = load_model(args.config, args.checkpoint, args.device)
    pipeline = FramePipeline.of(cfg)
    for path, count, weight in draw_state_images(
        model, args.source, args.out, pipeline, args.score_thr
    ):
        print(f"{path}: {count} objects, mean weight {weight:.2f}")
