"""What the steps of ``vovtrack robot`` have in common."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vovtrack.cli.track import POINT_TRACKER
from vovtrack.cli.train import add_trust_argument

if TYPE_CHECKING:
    from vovtrack.engine.point_queries import Chosen
    from vovtrack.engine.recordings.batch import Outcome
    from vovtrack.engine.recordings.track import PointTrackerChoice


def add_recordings(parser: argparse.ArgumentParser) -> None:
    """Declare the recordings and the work folder."""
    parser.add_argument(
        "recordings", type=Path, nargs="+", help="HDF5 files, or folders in which they are"
    )
    parser.add_argument(
        "--work",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder in which each recording has its pictures, labels and results",
    )


def add_camera(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare the choice of one camera."""
    parser.add_argument("--camera", metavar="NAME", help=what)


def add_points(parser: argparse.ArgumentParser) -> None:
    """Declare points for pictures without labels."""
    parser.add_argument(
        "--points",
        nargs="+",
        metavar="NAME=X,Y",
        help="points for cameras without labels, in pixels of the first frame; as for "
        "'vovtrack track'",
    )
    parser.add_argument("--grid", type=int, metavar="N", help="the same, N x N points")
    parser.add_argument(
        "--points-from", type=Path, metavar="FILE", help="the same: labelme .json, .csv or .npz"
    )


def chosen_points(args: argparse.Namespace) -> Chosen | None:
    """The points that were asked for; None if none were."""
    from vovtrack.engine.point_queries import choose_points

    return choose_points(args.points, args.grid, args.points_from)


def add_tracker(parser: argparse.ArgumentParser) -> None:
    """Declare the tracker."""
    parser.add_argument("--config", help="config name or path of a tracker that follows points")
    parser.add_argument(
        "--tracker", metavar="NAME", help=f"or a tracker by itself (default: {POINT_TRACKER})"
    )
    add_trust_argument(parser)
    parser.add_argument("--checkpoint", help="weights (default: those of the config)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    parser.add_argument("--amp", choices=["bf16", "fp16"], help="mixed precision")


def chosen_tracker(args: argparse.Namespace) -> PointTrackerChoice:
    """The tracker that was asked for."""
    from vovtrack.engine.recordings.track import PointTrackerChoice

    by_itself = POINT_TRACKER if args.config is None else None
    return PointTrackerChoice(
        args.config or "mini",
        args.tracker or by_itself,
        args.checkpoint,
        args.device,
        args.amp,
        args.trust_config,
    )


def tell(step: str, outcome: Outcome, what: str) -> int:
    """Say what became of the recordings; 2 if one of them could not be worked on.

    Args:
        step: Name of the step.
        outcome: What became of them.
        what: What was done with them.
    """
    if outcome.done or outcome.kept or outcome.notes:
        kept = f", {len(outcome.kept)} finished before" if outcome.kept else ""
        print(f"recordings {what}: {len(outcome.done)}{kept}")
    for note in outcome.notes:
        print(f"note: {note}")
    for problem in outcome.problems:
        print(f"vovtrack robot {step}: {problem}", file=sys.stderr)
    return 2 if outcome.problems else 0
