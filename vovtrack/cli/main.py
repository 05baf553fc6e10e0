"""The ``vovtrack`` command: reads the verb, lets its module do the work, reports user errors.

A verb is a module ``vovtrack/cli/<verb>.py`` with ``HELP`` (one line), ``EXAMPLES`` (commands,
three of which end its help), ``add_arguments(parser)`` and ``run(args) -> exit code``. Its heavy
imports are inside of ``run``, so that ``vovtrack --help`` answers at once. ``INPUTS`` (argument:
what it is) and ``OUTPUTS`` (options) name its files to read and to write: no output may be an
input or another output.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from vovtrack import __version__
from vovtrack.cli.examples import show_examples
from vovtrack.cli.process import share_cores
from vovtrack.errors import InputError, did_you_mean
from vovtrack.files.targets import check_target, guarded_inputs, mark_input

GROUPS = {
    "use": ("track", "draw", "replay", "evaluate", "robot"),
    "train and test": ("train", "test", "prompts", "features", "prepare", "synth"),
    "weights": ("download", "convert", "export", "publish"),
    "look": ("inspect", "doctor"),
}
"""The verbs, as the help shows them."""
VERBS = tuple(verb for verbs in GROUPS.values() for verb in verbs)
EXAMPLES = (
    'vovtrack track video.mp4 --classes "striped red star, dotted blue circle" --out tracked.mp4',
    "vovtrack evaluate --gt validation.json --pred tao_track.json",
    "vovtrack track --help",
)


def build_parser(verbs: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """Build the parser of the command for the verbs given; only their modules are imported."""
    parser = argparse.ArgumentParser(
        prog="vovtrack", description="Open-vocabulary multi-object tracking."
    )
    parser.add_argument("--version", action="version", version=f"vovtrack {__version__}")
    modules = {name: importlib.import_module(f"vovtrack.cli.{name}") for name in verbs}
    parser.epilog = _verb_list({name: module.HELP for name, module in modules.items()})
    show_examples(parser, EXAMPLES)
    subparsers = parser.add_subparsers(
        dest="verb", metavar="VERB", required=True, help="one of those below"
    )
    for name, module in modules.items():
        verb = subparsers.add_parser(name, description=module.HELP)
        module.add_arguments(verb)
        show_examples(verb, module.EXAMPLES)
        options = tuple(verb._option_string_actions)
        verb.set_defaults(run=module.run, options=options, **declared_files(module))
    return parser


def _verb_list(helps: dict[str, str]) -> str:
    """The verbs by group: argparse itself can only list them one after the other."""
    blocks = []
    for group, verbs in GROUPS.items():
        lines = [f"  {verb:<10}{helps[verb]}" for verb in verbs if verb in helps]
        blocks.append("\n".join([f"{group}:", *lines]))
    return "\n\n".join(blocks)


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
        known = f" Choose one of {', '.join(VERBS)}."
        hint = did_you_mean(words[0], VERBS, count=1, cutoff=0.5) or known
        _complain(f"vovtrack: There is no verb '{words[0]}'.{hint}")
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
    hint = did_you_mean(words[0].split("=")[0], options, count=1) or " See --help."
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
