"""Examples at the end of every ``--help``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

SHOWN = 3
"""Examples at the end of a help."""


def show_examples(parser: argparse.ArgumentParser, examples: Sequence[str]) -> None:
    """End the help of a parser and of its sub-verbs with examples.

    Args:
        parser: The parser of a verb; text that it ends with already comes before the examples.
        examples: Commands, the most common ones first. A sub-verb shows those that begin with it.
    """
    own = [line for line in examples if f"{line} ".startswith(f"{parser.prog} ")][:SHOWN]
    text = "\n".join(["examples:", *(f"  {line}" for line in own)])
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{parser.epilog.rstrip()}\n\n{text}" if parser.epilog else text
    for part in _sub_verbs(parser):
        show_examples(part, examples)


def _sub_verbs(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    return [
        part
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for part in action.choices.values()
    ]
