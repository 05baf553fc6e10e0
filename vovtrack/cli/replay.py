"""``vovtrack replay``: run trackers on stored detections and compare them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vovtrack.cli.train import add_config_arguments

HELP = "run trackers on stored detections and compare them"
EXAMPLES = (
    "vovtrack replay work_dirs/observations --tracker ovtracker iou sort bytetrack ocsort",
    "vovtrack replay work_dirs/observations --grid model.tracker.memo_frames=10,30 --csv grid.csv",
    "vovtrack replay work_dirs/observations --boxes 50 110 --benchmark tao-ov tao",
    "vovtrack replay data/MOT17/train --tracker iou sort bytetrack ocsort --benchmark mot17",
)
INPUTS = {"gt": "the annotation file"}
OUTPUTS = ("csv",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        "observations",
        nargs="+",
        type=Path,
        help="folder that 'vovtrack test --observations' wrote, of several checkpoints several; or "
        "a folder of MOTChallenge's sequences with det/det.txt",
    )
    parser.add_argument(
        "--tracker",
        nargs="+",
        default=["ovtracker"],
        metavar="NAME",
        help="ovtracker, qdtrack, qdtrack_tao, iou, sort, bytetrack, ocsort, or configs whose "
        "model.tracker is taken (default: ovtracker)",
    )
    parser.add_argument("--gt", type=Path, help="annotations (default: those of the recording)")
    parser.add_argument(
        "--out", type=Path, default=Path("results/replay"), help="a folder per tracker goes here"
    )
    parser.add_argument(
        "--benchmark",
        nargs="+",
        choices=("tao-ov", "tao", "lvis", "bdd100k", "mot17", "mot20", "dancetrack", "sportsmot"),
        help="what to evaluate (default: what the recorded test did; tao-ov of videos of TAO, "
        "mot17 of det.txt)",
    )
    parser.add_argument(
        "--category-vote",
        choices=("count", "score", "none"),
        default="count",
        help="class of a track: its most frequent one (default), the one with the largest sum of "
        "scores, or each box its own",
    )
    parser.add_argument(
        "--grid",
        nargs="+",
        default=[],
        metavar="KEY=V,V",
        help="try all combinations of values, for example model.tracker.match_score_thr=0.3,0.35; "
        "metrics are kept, result files are not",
    )
    parser.add_argument(
        "--boxes",
        nargs="+",
        type=int,
        default=[],
        metavar="N",
        help="try so many best boxes of each frame; the grid has this dimension too",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table to this file")
    parser.add_argument(
        "--format-only", action="store_true", help="write the result files, do not evaluate"
    )
    add_config_arguments(parser, "model.tracker.memo_frames=30")


def run(args: argparse.Namespace) -> int:
    """Replay each setting and print a table with a row for each."""
    from vovtrack.engine.grid import open_stored, parse_grid, run_setting, settings
    from vovtrack.errors import InputError
    from vovtrack.evaluation.reports.csv_tables import write_rows
    from vovtrack.evaluation.reports.tables import run_rows, text_table

    sweep = bool(args.grid or args.boxes)
    if args.format_only and (sweep or args.csv):
        raise InputError("--grid, --boxes and --csv compare metrics: leave --format-only out.")
    chosen = list(
        settings(
            {n: open_stored(p) for n, p in _named(args.observations, "stores").items()},
            _named(args.tracker, "trackers"),
            parse_grid(args.grid),
            args.boxes,
        )
    )
    found = {}
    for number, setting in enumerate(chosen, start=1):
        if sweep:
            print(f"{number} of {len(chosen)}: {setting.folder}", file=sys.stderr)
        found[tuple(setting.labels.values())] = run_setting(
            setting,
            args.out,
            args.cfg_options,
            args.trust_config,
            keep_results=not sweep,
            ann_file=args.gt,
            **({} if args.benchmark is None else dict(benchmarks=args.benchmark)),
            category_vote=None if args.category_vote == "none" else args.category_vote,
            format_only=args.format_only,
            progress=sys.stderr.isatty(),
        )
    if not args.format_only:
        header, rows = run_rows(list(chosen[0].labels), found)
        print(text_table(header, rows))
        if args.csv:
            write_rows(args.csv, header, rows)
    print(f"results in {args.out}")
    return 0


def _named(paths: list, what: str) -> dict:
    """Paths or names by the name that their results get."""
    from vovtrack.errors import InputError

    named = {Path(path).stem: path for path in paths}
    if len(named) < len(paths):
        raise InputError(f"Two {what} have the same file name; results would overwrite each other.")
    return named
