"""``vovtrack evaluate``: compare a result file with ground truth."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "TETA of a TAO result file, base and novel classes apart"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("--gt", type=Path, required=True, metavar="JSON", help="TAO annotations")
    parser.add_argument("--pred", type=Path, required=True, metavar="JSON", help="TAO results")
    parser.add_argument("--out", type=Path, metavar="JSON", help="also write everything here")
    parser.add_argument(
        "--max-detections",
        type=int,
        metavar="N",
        help="keep the N highest scores per image (default: all)",
    )
    parser.add_argument(
        "--rounded",
        action="store_true",
        help="average printed per-class values, as published base and novel tables do",
    )
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the summary, write the result file."""
    import json

    from vovtrack.evaluation import evaluate_tao
    from vovtrack.evaluation.tables import markdown_table, summary_rows, text_table
    from vovtrack.formats.atomic import atomic_write

    result = evaluate_tao(args.gt, args.pred, args.max_detections)
    layout = markdown_table if args.markdown else text_table
    print(layout(*summary_rows(result, args.rounded)))
    if args.out:
        with atomic_write(args.out) as file:
            json.dump(result, file, indent=1, allow_nan=False)
    return 0
