"""The ``vovtrack`` command: reads the verb, lets its module do the work, reports user errors.

A verb is a module ``vovtrack/cli/<verb>.py`` with ``HELP`` (one line),
``add_arguments(parser)`` and ``run(args) -> exit code``. Its heavy imports stand inside ``run``,
so that ``vovtrack --help`` answers at once.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence

from vovtrack import __version__
from vovtrack.errors import InputError

VERBS = (
    "synth", "prepare", "train", "test", "track", "replay", "evaluate", "features", "prompts",
    "draw", "download", "convert", "export", "publish", "doctor",
)  # fmt: skip


def build_parser(verbs: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """Build the parser of the command for the verbs given; only their modules are imported."""
    parser = argparse.ArgumentParser(
        prog="vovtrack", description="Open-vocabulary multi-object tracking."
    )
    parser.add_argument("--version", action="version", version=f"vovtrack {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name in verbs:
        module = importlib.import_module(f"vovtrack.cli.{name}")
        verb = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The words after ``vovtrack``; default is the process's own.

    Returns:
        The exit code: the verb's own, 2 for an error of the user (one sentence on stderr), 130
        when interrupted.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if words and not words[0].startswith("-") and words[0] not in VERBS:
        near = difflib.get_close_matches(words[0], VERBS, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(VERBS)}."
        print(f"vovtrack: unknown verb '{words[0]}'; {hint}", file=sys.stderr)
        return 2
    args = build_parser(words[:1] if words and words[0] in VERBS else VERBS).parse_args(words)
    try:
        return args.run(args)
    except InputError as error:
        print(f"vovtrack {args.verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"vovtrack {args.verb}: interrupted", file=sys.stderr)
        return 130
