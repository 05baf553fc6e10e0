"""``vovtrack track``: a video and some words in, tracks out."""

from __future__ import annotations

import argparse

from vovtrack.cli.train import add_trust_argument

HELP = "track named objects in a video, a folder of frames or a camera"
EXAMPLES = (
    'vovtrack track video.mp4 --classes "striped red star, dotted blue circle" --out tracked.mp4',
    "vovtrack track frames/ --json tracks.json --mot tracks.txt --batch-size 4",
    "vovtrack track 0 --classes names.txt --out camera.mp4 --max-frames 300 --device cuda",
)
INPUTS = {"source": "the source", "config": "the config", "checkpoint": "the checkpoint"}
OUTPUTS = ("out", "json", "mot")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", help="video file, folder of frames, camera number or URL")
    parser.add_argument("--classes", help='names of what to track: "a, b" (default: the config\'s)')
    parser.add_argument("--config", default="mini", help="config name or path (default: mini)")
    add_trust_argument(parser)
    parser.add_argument("--checkpoint", help="weights (default: those of the config)")
    parser.add_argument("--out", help="drawn video (.mp4)")
    parser.add_argument("--json", help="tracks as JSON, one record a frame")
    parser.add_argument("--mot", help="tracks as MOTChallenge text")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    parser.add_argument("--amp", choices=["bf16", "fp16"], help="mixed precision")
    parser.add_argument("--batch-size", type=int, default=1, help="frames per network pass")
    parser.add_argument("--score-thr", type=float, help="report tracks above this score")
    parser.add_argument("--max-frames", type=int, help="stop after so many frames")
    parser.add_argument(
        "--on-bad-frame",
        choices=["error", "skip"],
        default="error",
        help="what to do with a frame that cannot be read; skip counts and lists them",
    )


def run(args: argparse.Namespace) -> int:
    """Track and write what was asked for; 128 + the signal if one ended the run early."""
    from vovtrack.engine.track_files import Outputs
    from vovtrack.engine.track_video import track_video
    from vovtrack.errors import InputError
    from vovtrack.structures import Target

    outputs = Outputs(video=args.out, json=args.json, mot=args.mot)
    if not outputs.paths():
        raise InputError("Nothing to write: give --out, --json or --mot.")
    summary = track_video(
        args.source,
        args.config,
        args.checkpoint,
        target=None if args.classes is None else Target(classes=args.classes),
        outputs=outputs,
        device=args.device,
        amp=args.amp,
        batch_size=args.batch_size,
        score_thr=args.score_thr,
        max_frames=args.max_frames,
        on_bad_frame=args.on_bad_frame,
        trust_config=args.trust_config,
    )
    print(summary)
    if summary.num_tracks == 0:
        print(f"note: nothing scored high enough: {_why_nothing(args.config)}")
    return 128 + summary.interrupted if summary.interrupted else 0


def _why_nothing(config: str) -> str:
    if config == "mini":
        return (
            "the default model knows only the coloured shapes of the synthetic world, such as "
            "'striped red star'; name another with --config and --checkpoint."
        )
    return "try other words with --classes, or a smaller --score-thr."
