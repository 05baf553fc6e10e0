"""``vovtrack download``: fetch the published weights and verify them."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "fetch the published weights, resumed and verified"
EXAMPLES = (
    "vovtrack download ovtrack_finetune_final",
    "vovtrack download --list",
    "vovtrack download --all --from /media/stick --offline",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (see --list)")
    parser.add_argument("--all", action="store_true", help="all of the project's own")
    parser.add_argument("--list", action="store_true", help="show names and state, fetch nothing")
    parser.add_argument(
        "--to", type=Path, default=Path("saved_models"), metavar="DIR", help="default: saved_models"
    )
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="DIR", help="take the files from a folder"
    )
    parser.add_argument("--offline", action="store_true", help="never ask the network")
    parser.add_argument("--force", action="store_true", help="fetch again what is there")
    parser.add_argument(
        "--allow-unverified", action="store_true", help="take files whose hash the hub hides"
    )
    parser.add_argument("--max-size", type=float, default=16, metavar="GB", help="default: 16")
    parser.add_argument("--repo", metavar="USER/NAME", help="other repository on the hub")
    parser.add_argument("--revision", default="main", help="branch, tag or commit")
    parser.add_argument("--endpoint", metavar="URL", help="a mirror (default: HF_ENDPOINT)")


def run(args: argparse.Namespace) -> int:
    """Fetch what was asked for."""
    import sys

    from vovtrack.engine.weights.download import elsewhere, fetch, of_others, published
    from vovtrack.engine.weights.hub import REPOSITORY, Hub
    from vovtrack.errors import InputError

    if args.list:
        others = {key: f"{what}, from {repo}" for key, (repo, what) in of_others().items()}
        for key, what in {**published(), **others, **elsewhere()}.items():
            state = "there" if (args.to / key).exists() else "-"
            print(f"{Path(key).stem:<28}{state:<7}{key:<50}{what}")
        return 0
    if not args.names and not args.all:
        raise InputError("name the weights to fetch, or --all; --list shows them.")
    if not 0 < args.max_size < 1e6:
        raise InputError(f"--max-size is {args.max_size}, expected gigabytes above 0.")
    limit = int(args.max_size * (1 << 30))
    hub = Hub(args.repo or REPOSITORY, args.revision, args.endpoint, max_bytes=limit)
    names = () if args.all else args.names
    paths = fetch(
        names,
        args.to,
        hub,
        args.source,
        args.offline,
        args.force,
        args.allow_unverified,
        notice=lambda text: print(text, file=sys.stderr),
    )
    for path in paths:
        print(path)
    return 0
