"""``vovtrack replay``: run associations on stored detections and compare them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vovtrack.cli.train import add_config_arguments

HELP = "run associations on stored detections, without images or network, and compare them"
INPUTS = {"gt": "the annotation file"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        "observations", type=Path, help="folder that 'vovtrack test --observations' wrote"
    )
    parser.add_argument(
        "--tracker",
        nargs="+",
        default=["ovtracker"],
        metavar="NAME",
        help="ovtracker, iou, sort, bytetrack, ocsort, or configs whose model.tracker is taken "
        "(default: ovtracker)",
    )
    parser.add_argument("--gt", type=Path, help="annotations (default: those of the recording)")
    parser.add_argument(
        "--out", type=Path, default=Path("results/replay"), help="a folder per tracker goes here"
    )
    parser.add_argument(
        "--benchmark",
        nargs="+",
        default=["tao-ov"],
        choices=("tao-ov", "tao", "lvis"),
        help="what to evaluate (default: tao-ov)",
    )
    parser.add_argument(
        "--category-vote",
        choices=("count", "score", "none"),
        default="count",
        help="class of a track: its most frequent one (default), the one with the largest sum of "
        "scores, or each box its own",
    )
    parser.add_argument(
        "--format-only", action="store_true", help="write the result files, do not evaluate"
    )
    add_config_arguments(parser, "model.tracker.memo_frames=30")


def run(args: argparse.Namespace) -> int:
    """Replay each tracker and print a table with a row for each."""
    from ovtrack.replay import find_tracker, replay
    from vovtrack.errors import InputError
    from vovtrack.evaluation.tables import text_table
    from vovtrack.formats.observations import ObservationStore

    folders = [Path(name).stem for name in args.tracker]
    if len(set(folders)) < len(folders):
        raise InputError(
            "Two trackers have the same file name; results would overwrite each other."
        )
    store = ObservationStore(args.observations)
    found = {}
    for name, folder in zip(args.tracker, folders, strict=True):
        found[folder] = replay(
            store,
            find_tracker(name, args.cfg_options, args.trust_config),
            args.out / folder,
            args.gt,
            benchmarks=args.benchmark,
            category_vote=None if args.category_vote == "none" else args.category_vote,
            format_only=args.format_only,
            progress=sys.stderr.isatty(),
        )
    if not args.format_only:
        print(text_table(*compare(found)))
    print(f"results in {args.out}")
    return 0


def compare(found: dict[str, dict[str, float]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of trackers, one row per group of classes and tracker.

    Args:
        found: Metrics ``prefix/group/name`` by tracker.
    """
    keys = [key.split("/")[1:] for key in next(iter(found.values()))]
    groups, names = (list(dict.fromkeys(part)) for part in zip(*keys, strict=True))
    rows = []
    for group in groups:
        for tracker, metrics in found.items():
            values = {key.split("/", 1)[1]: value for key, value in metrics.items()}
            cells = [values.get(f"{group}/{name}") for name in names]
            texts = ["-" if value is None else f"{value:.2f}" for value in cells]
            rows.append([tracker, group, *texts])
    return ["tracker", "classes", *names], rows
