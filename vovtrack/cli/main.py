"""The ``vovtrack`` command: reads the verb, lets its module do the work, reports user errors.

A verb is a module ``vovtrack/cli/<verb>.py`` with ``HELP`` (one line),
``add_arguments(parser)`` and ``run(args) -> exit code``. Its heavy imports stand inside ``run``,
so that ``vovtrack --help`` answers at once. ``INPUTS`` (argument: what it is) and ``OUTPUTS``
(options) name its files to read and to write: no output may be an input or another output.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from vovtrack import __version__
from vovtrack.cli.process import share_cores
from vovtrack.errors import InputError
from vovtrack.files.targets import check_target, guarded_inputs, mark_input

VERBS = (
    "synth", "prepare", "train", "test", "track", "replay", "evaluate", "features", "prompts",
    "draw", "inspect", "download", "convert", "export", "publish", "doctor",
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
        options = tuple(verb._option_string_actions)
        verb.set_defaults(run=module.run, options=options, **declared_files(module))
    return parser


def declared_files(module: ModuleType) -> dict[str, Any]:
    """What a verb says of its files, as defaults of its parser."""
    return dict(inputs=getattr(module, "INPUTS", {}), outputs=getattr(module, "OUTPUTS", ()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The words after ``vovtrack``; default is the process's own.

    Returns:
        The exit code: the verb's own, 2 for an error of the user or of the disk (one sentence on
        stderr), 130 when interrupted.
    """
    share_cores()
    words = sys.argv[1:] if argv is None else list(argv)
    if words and not words[0].startswith("-") and words[0] not in VERBS:
        near = difflib.get_close_matches(words[0], VERBS, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(VERBS)}."
        _complain(f"vovtrack: unknown verb '{words[0]}'; {hint}")
        return 2
    verb = words[0] if words else ""
    try:
        parser = build_parser(words[:1] if verb in VERBS else VERBS)
        args, unknown = parser.parse_known_args(words)
        if unknown:
            raise InputError(_unknown_words(unknown, args.options))
        with guarded_inputs():
            _check_paths(args)
            return args.run(args)
    except InputError as error:
        _complain(f"vovtrack {verb}: {error}")
        return 2
    except OSError as error:  # of libraries that write by themselves; the rest names its file
        place = f"'{error.filename}': " if error.filename else ""
        _complain(f"vovtrack {verb}: {place}{error.strerror or error}.")
        return 2
    except KeyboardInterrupt:
        _complain(f"vovtrack {verb}: interrupted")
        return 130


def _unknown_words(words: Sequence[str], options: Sequence[str]) -> str:
    near = difflib.get_close_matches(words[0].split("=")[0], options, n=1, cutoff=0.6)
    hint = f" Did you mean '{near[0]}'?" if near else " See --help."
    return f"unrecognized arguments: {' '.join(words)[:200]}.{hint}"


def _complain(message: str) -> None:
    """Print an error; names in it may come from strangers, and steer no terminal."""
    print("".join(c if c.isprintable() or c == "\n" else "?" for c in message), file=sys.stderr)


def _check_paths(args: argparse.Namespace) -> None:
    """Refuse outputs that are inputs, or each other, before anything is computed."""
    for name, words in args.inputs.items():
        for path in _paths(args, name):
            mark_input(path, words)
    taken: dict[Path, str] = {}
    for name in args.outputs:
        for path in _paths(args, name):
            check_target(path)
            other = taken.setdefault(path.resolve(), name)
            if other != name:
                raise InputError(f"--{name} '{path}' is also the file of --{other}.")


def _paths(args: argparse.Namespace, name: str) -> list[Path]:
    value = getattr(args, name, None)
    values = value if isinstance(value, list) else [value]
    return [Path(path) for path in values if path]
