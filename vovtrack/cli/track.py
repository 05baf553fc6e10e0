"""``vovtrack track``: a video and some words in, tracks out."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vovtrack.cli.train import add_trust_argument

if TYPE_CHECKING:
    from vovtrack.structures import Target

CLASSES_HELP = (
    "'a, b', a packaged vocabulary (lvis_v1, coco, ...), a .txt file with a name per line, or an "
    "annotation .json"
)
HELP = "track named objects in a video, a folder of frames or a camera"
EXAMPLES = (
    'vovtrack track video.mp4 --classes "striped red star, dotted blue circle" --out tracked.mp4',
    "vovtrack track frames/ --tracker bytetrack --json tracks.json --mot tracks.txt",
    'vovtrack track video.mp4 --points "320,240; cup=410,180@12" --out tracked.mp4 --npz p.npz',
    "vovtrack track video.mp4 --config sot/dimp50 --checkpoint dimp50.safetensors "
    "--box 320,180,80,60 --box 0=300,150,80,60@120 --csv scores.csv",
    "vovtrack track 0 --classes names.txt --out camera.mp4 --max-frames 300 --device cuda",
)
INPUTS = {
    "source": "the source",
    "config": "the config",
    "checkpoint": "the checkpoint",
    "points_from": "the file of points",
}
OUTPUTS = ("out", "json", "mot", "csv", "npz", "tapvid")
POINT_TRACKER = "lucas-kanade"
"""What follows points where neither a config nor a tracker is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", help="video file, folder of frames, camera number or URL")
    parser.add_argument(
        "--classes", help=f"names of what to track: {CLASSES_HELP} (default: of the config)"
    )
    parser.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="X,Y,W,H",
        help="an object to track, by its left, top, width and height in pixels of the first "
        "frame; X,Y,W,H@FRAME in those of a later frame, ID=X,Y,W,H@FRAME to draw object ID anew; "
        "draw to draw it with the mouse in the first frame; repeat it for more",
    )
    parser.add_argument(
        "--points",
        nargs="+",
        metavar="X,Y",
        help="points to follow, in pixels of the first frame, with semicolons between them; "
        "X,Y@FRAME in those of a later frame, NAME=X,Y with a name",
    )
    parser.add_argument(
        "--grid", type=int, metavar="N", help="N x N points over the first frame to follow"
    )
    parser.add_argument(
        "--points-from", metavar="FILE", help="points to follow: labelme .json, .csv or .npz"
    )
    parser.add_argument(
        "--config",
        help=f"config name or path (default: mini; of points the tracker {POINT_TRACKER})",
    )
    add_trust_argument(parser)
    parser.add_argument("--checkpoint", help="weights (default: those of the config)")
    parser.add_argument(
        "--tracker",
        metavar="NAME",
        help="link detections by ovtracker, qdtrack, qdtrack_tao, iou, sort, bytetrack, ocsort, or "
        "by the tracker of another config (default: of the config); lucas-kanade follows points",
    )
    parser.add_argument("--out", help="drawn video (.mp4)")
    parser.add_argument("--json", help="tracks or points as JSON, one record a frame")
    parser.add_argument("--mot", help="tracks as MOTChallenge text")
    parser.add_argument(
        "--csv",
        help="tracks or points as a table, one row a frame and track, also where its score is low",
    )
    parser.add_argument("--npz", help="points (N, T, 2), visible (N, T), queries (N, 3), names")
    parser.add_argument("--tapvid", help="frames and points as a pickle like TAP-Vid-DAVIS")
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
    from vovtrack.engine.box_words import boxes_to_draw
    from vovtrack.engine.point_queries import choose_points
    from vovtrack.engine.track_files import Outputs
    from vovtrack.engine.track_video import track_video
    from vovtrack.errors import InputError

    outputs = Outputs(args.out, args.json, args.mot, args.csv, args.npz, args.tapvid)
    if not outputs.paths():
        raise InputError(
            "Nothing to write: give --out, --json, --mot or --csv, or of points --npz or --tapvid."
        )
    points = choose_points(args.points, args.grid, args.points_from)
    drawn = boxes_to_draw(args.box)
    named = args.config is not None or args.tracker is not None
    by_itself = None if points is None or named else POINT_TRACKER
    summary = track_video(
        args.source,
        args.config or "mini",
        args.checkpoint,
        points=points,
        target=_target(args, [] if drawn else args.box),
        drawn=drawn,
        outputs=outputs,
        device=args.device,
        amp=args.amp,
        batch_size=args.batch_size,
        score_thr=args.score_thr,
        max_frames=args.max_frames,
        on_bad_frame=args.on_bad_frame,
        trust_config=args.trust_config,
        tracker=args.tracker or by_itself,
    )
    print(summary)
    if summary.num_tracks == 0:
        print(f"note: nothing scored high enough: {_why_nothing(args.config or 'mini')}")
    return 128 + summary.interrupted if summary.interrupted else 0


def _target(args: argparse.Namespace, boxes: list[str]) -> Target | None:
    """Classes and boxes that the words ask for; None if they name none."""
    from dataclasses import replace

    from vovtrack.engine.box_words import parse_boxes
    from vovtrack.structures import Target, Vocabulary

    target = parse_boxes(boxes) if boxes else Target()
    if args.classes is not None:
        target = replace(target, classes=Vocabulary.parse(args.classes))
    return target if target.kinds else None


def _why_nothing(config: str) -> str:
    if config == "mini":
        return (
            "the default model knows only the coloured shapes of the synthetic world, such as "
            "'striped red star'; name another with --config and --checkpoint."
        )
    return "try other words with --classes, or a smaller --score-thr."
