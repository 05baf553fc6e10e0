"""The command: verbs, help, version, exit codes; user errors are one sentence, not a traceback."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from vovtrack import cli
from vovtrack.cli.main import EXAMPLES, GROUPS, VERBS, build_parser, main


def main_examples(text: str) -> list[str]:
    """The commands at the end of a help."""
    return [line.strip() for line in text.split("\nexamples:\n")[1].splitlines()]


def test_every_verb_has_help(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    for group, verbs in GROUPS.items():
        listed = text.split(f"\n{group}:\n")[1].split("\n\n")[0].splitlines()
        assert [line.split()[0] for line in listed] == list(verbs)
        assert all(len(line) <= 88 for line in listed)
    assert main_examples(text) == list(EXAMPLES)


def test_every_module_of_a_verb_is_in_a_group():
    folder = Path(cli.__file__).parent
    modules = {p.stem for p in folder.glob("*.py") if "\nHELP = " in p.read_text()}
    assert {m for m in modules if not m.startswith(("prepare_", "robot_"))} == set(VERBS)
    assert len(VERBS) == len(set(VERBS))


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_verb(verb, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([verb, "--help"])
    assert exit_.value.code == 0
    assert f"vovtrack {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("trak", "Did you mean 'track'?"), ("evaluat", "'evaluate'"), ("xyz", "Choose one of ")],
)
def test_unknown_verb(typed, answer, capsys):
    assert main([typed]) == 2
    error = capsys.readouterr().err
    assert answer in error
    assert error.count("\n") == 1


def test_user_error_is_one_sentence_with_exit_code_2(repository, capsys):
    assert main(["train", "configs/ovtrack-teta/ovtrack_r50_reverse_without_inferenc.py"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("vovtrack train: There is no config")
    assert "ovtrack_r50_reverse_without_inference" in error.split("Did you mean")[1]
    assert "Traceback" not in error


def test_missing_checkpoint_is_a_user_error(repository, capsys):
    config = "configs/ovtrack-teta/ovtrack_r50_reverse_without_inference.py"
    assert main(["test", config, "nowhere.pth"]) == 2
    assert "nowhere.pth" in capsys.readouterr().err


def test_classic_option_names_parse():
    words = shlex.split(
        "test C K --eval track --eval-options resfile_path=R --launcher pytorch "
        "--cfg-options a=1 b=2 --cfg-options c=3 --work-dir W --seed 3 --format-only"
    )
    args = build_parser().parse_args(words)
    assert args.cfg_options == ["a=1", "b=2", "c=3"]
    assert args.eval_options == ["resfile_path=R"]
    assert (args.config, args.checkpoint, args.seed) == ("C", "K", 3)


def test_version_and_start_without_heavy_imports():
    code = (
        "import sys\nfrom vovtrack.cli.main import build_parser\nbuild_parser()\n"
        "heavy = {'torch', 'mmengine', 'mmcv', 'mmdet', 'cv2', 'scipy', 'open_clip', 'av'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
    command = [sys.executable, "-m", "vovtrack", "--version"]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout.startswith("vovtrack ")


def test_a_misspelt_option_is_answered_with_a_near_one(capsys):
    assert main(["track", "x.mp4", "--clases", "cat"]) == 2
    assert (
        "unrecognized arguments: --clases cat. Did you mean '--classes'?" in capsys.readouterr().err
    )
