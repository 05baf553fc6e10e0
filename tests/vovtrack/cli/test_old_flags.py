"""Switches of the original scripts are answered with what to type today."""

from __future__ import annotations

import pytest

from vovtrack.cli.main import build_parser, main
from vovtrack.cli.old_flags import TEST, TRAIN

ORIGINAL = {
    "train": "work-dir resume-from no-validate gpus gpu-ids seed deterministic options cfg-options "
    "launcher local_rank auto-resume",
    "test": "out fuse-conv-bn format-only eval show show-dir gpu-collect tmpdir show-score-thr "
    "show_score_thr cfg-options eval-options options launcher local_rank early-stop off-eval "
    "checkpoint-dir checkpoint-l-index checkpoint-r-index l-alpha-prob r-alpha-prob "
    "alpha-prob-interval l-alpha-prob-thres r-alpha-prob-thres alpha-prob-thres-interval "
    "l-match-score-thres r-match-score-thres match-score-thres-interval l-max-bbox r-max-bbox "
    "max-bbox-interval",
}
"""All switches of the training and test scripts of DetPro, OVTrack and VOVTrack."""


@pytest.mark.parametrize("verb", ORIGINAL)
def test_every_switch_of_the_originals_is_known(verb):
    parser = build_parser([verb])._subparsers._group_actions[0].choices[verb]
    known = {option for action in parser._actions for option in action.option_strings}
    assert {f"--{name}" for name in ORIGINAL[verb].split()} - known == set()


@pytest.mark.parametrize(
    ("verb", "flag", "answer"),
    [("train", *pair) for pair in TRAIN.items()] + [("test", *pair) for pair in TEST.items()],
)
def test_each_is_answered(verb, flag, answer, capsys):
    words = [verb, "config.py", *(["a.pth"] if verb == "test" else [])]
    assert main([*words, flag, "1"]) == 2
    assert main([*words, flag]) == 2
    assert capsys.readouterr().err.splitlines() == [f"vovtrack {verb}: {flag}: {answer}."] * 2


def test_what_old_starters_hand_over_is_taken(capsys):
    assert main(["train", "no_such_config.py", "--local_rank=1"]) == 2
    assert "There is no config" in capsys.readouterr().err
