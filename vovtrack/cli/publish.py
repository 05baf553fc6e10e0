"""``vovtrack publish``: send a weight file and its card to a model hub."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "send a weight file with its card to a model hub"
EXAMPLES = (
    "vovtrack publish slim.safetensors --repo user/name",
    "vovtrack publish slim.safetensors --repo user/name --dry-run card",
    "vovtrack publish slim.safetensors --repo user/name --report a.json --config "
    "configs/mini/ovtrack.py",
)
INPUTS = {"file": "the weight file", "report": "the report"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("file", type=Path, metavar="FILE.safetensors", help="weights")
    parser.add_argument("--repo", required=True, metavar="USER/NAME", help="where to")
    parser.add_argument("--license", default="apache-2.0", help="as the hub names it")
    parser.add_argument("--report", type=Path, metavar="JSON", help="evaluation, for the card")
    parser.add_argument("--config", default="", help="config that builds the model, for the card")
    parser.add_argument("--endpoint", metavar="URL", help="other hub (default: HF_ENDPOINT)")
    parser.add_argument(
        "--dry-run", type=Path, metavar="DIR", help="write the card to DIR and send nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Make the card, send it with the file."""
    from vovtrack.engine.weights.hub import Hub
    from vovtrack.engine.weights.publish import model_card, publish
    from vovtrack.evaluation.reports.report import read_report

    report = read_report(args.report) if args.report else None
    card = model_card(args.file, args.repo, args.license, report, args.config)
    names = publish(args.file, Hub(args.repo, endpoint=args.endpoint), card, args.dry_run)
    print(("would send to " if args.dry_run else "sent to ") + f"{args.repo}: {', '.join(names)}")
    return 0
