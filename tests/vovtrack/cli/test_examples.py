"""The examples at the end of every help are commands that the verb understands."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest

from vovtrack.cli.main import EXAMPLES, VERBS, build_parser
from vovtrack.engine.run import load_config

ROOT = Path(__file__).resolve().parents[3]


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parsers of all verbs and sub-verbs, by their words."""
    found, waiting = {}, [build_parser()]
    while waiting:
        parser = waiting.pop()
        found[parser.prog] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()
    return found


PARSERS = parsers()


def shown(words: str) -> list[str]:
    """The examples that a help ends with."""
    text = PARSERS[words].format_help()
    return [line.strip() for line in text.split("\nexamples:\n")[1].splitlines()]


@pytest.mark.parametrize("words", PARSERS)
def test_each_help_ends_with_three_examples_that_parse(words):
    lines = shown(words)
    assert len(set(lines)) == 3
    for line in lines:
        assert f"{line} ".startswith(f"{words} "), line
        if not line.endswith("--help"):
            build_parser().parse_args(shlex.split(line)[1:])


def test_sub_verbs_have_their_own_parsers():
    assert {f"vovtrack {verb}" for verb in VERBS} < set(PARSERS)
    assert {"vovtrack features extract", "vovtrack prepare tao"} < set(PARSERS)


def test_a_help_shows_examples_of_different_sub_verbs():
    for verb in ("features", "prompts", "prepare", "inspect"):
        assert len({line.split()[2] for line in shown(f"vovtrack {verb}")}) == 3


@pytest.mark.parametrize(
    "line",
    sorted({line for words in PARSERS for line in shown(words) if "configs/" in line}),
)
def test_configs_of_examples_exist_and_have_the_options(line):
    words = shlex.split(line)
    config = next(word for word in words if word.startswith("configs/"))
    args = build_parser().parse_args(words[1:])
    options = getattr(args, "cfg_options", [])
    evaluation = getattr(args, "eval_options", [])
    load_config(str(ROOT / config), cfg_options=options, eval_options=evaluation)


def test_the_command_itself_shows_a_first_step():
    assert EXAMPLES[0] == shown("vovtrack track")[0]
