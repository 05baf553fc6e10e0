"""Every command that README.md and docs/ show is understood; files they name exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from vovtrack.cli.main import VERBS, build_parser
from vovtrack.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = "\n".join([README, *(page.read_text() for page in sorted(ROOT.glob("docs/*.md")))])
OTHER_PROGRAMS = ("pip", "pre-commit")


def commands() -> list[str]:
    """Commands of the ``bash`` blocks, each once."""
    found = []
    for block in re.findall(r"```bash\n(.*?)```", PAGES, flags=re.DOTALL):
        lines = block.replace("\\\n", " ").splitlines()
        found += [" ".join(line.split()) for line in lines if line.strip()]
    return list(dict.fromkeys(found))


def launched(words: list[str], tmp_path: Path) -> list[str]:
    """What a launcher script passes to train.py or test.py: it runs with a Python that echoes."""
    echo = tmp_path / "python"
    echo.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    echo.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(echo)}
    out = subprocess.run(
        ["bash", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    passed = out.stdout.splitlines()
    script = next(i for i, w in enumerate(passed) if w.endswith(("/train.py", "/test.py")))
    return [Path(passed[script]).stem, *passed[script + 1 :]]


def check_run(words: list[str]) -> None:
    """Parse the words of ``vovtrack train`` or ``test`` and apply their options to the config."""
    from vovtrack.engine.run import load_config

    args = build_parser(words[:1]).parse_args(words)
    options = dict(cfg_options=args.cfg_options, eval_options=getattr(args, "eval_options", ()))
    load_config(args.config, **options)


def check_command(command: str, tmp_path: Path) -> None:
    words = [w for w in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S*", w)]
    if words[0] in ("bash", "python"):
        words = words[1:]
    program = words[0].removeprefix("./")
    if program.endswith((".sh", ".py")):
        assert (ROOT / program).is_file(), f"{program} does not exist"
        if Path(program).name.startswith("dist_"):
            check_run(launched([program, *words[1:]], tmp_path))
    elif program == "vovtrack":
        assert words[1] in VERBS, f"vovtrack has no verb '{words[1]}'"
        build_parser(words[1:2]).parse_args(words[1:])
        if words[1] in ("train", "test"):
            check_run(words[1:])
    else:
        assert program in OTHER_PROGRAMS, f"'{program}' is not a program of this project"


@pytest.mark.parametrize("command", commands())
def test_command_is_understood(command, repository, tmp_path):
    check_command(command, tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        "vovtrack trak video.mp4",
        "vovtrack train CONFIG --no-such-option",
        "bash tools/no_such.sh",
        "tools/dist_train.sh configs/mini/ovtrack.py 1 --cfg-options model.traker.memo_frames=3",
        "tools/dist_train.sh configs/mini/ovtrack.py many",
        "make install",
    ],
)
def test_wrong_command_is_noticed(command, repository, tmp_path):
    expected = (AssertionError, SystemExit, InputError, subprocess.CalledProcessError)
    with pytest.raises(expected):
        check_command(command, tmp_path)


def test_promised_commands_are_shown():
    shown = " ".join(commands())
    for promise in (
        "pip install -e .",
        "tools/quickstart.sh",
        'vovtrack track video.mp4 --classes "',
        "tools/dist_train.sh configs/lvis/detpro_ens_20e.py 4",
        "configs/lvis/detpro_ens_20e_part_batch_prompt_reverse.py 4",
        "ovtrack_r50_reverse_without_inference.py 4 20956",
        "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0.py 4 23532",
        "4 36141 --eval track --eval-options resfile_path=",
    ):
        assert promise in shown


def test_files_named_exist():
    """Files of the repository exist; weights are listed with the place to get them."""
    listed = (ROOT / "saved_models/README.md").read_text()
    named = set(
        re.findall(r"[\w.\-]+(?:/[\w.\-]+)+\.(?:py|sh|md|pth|pt|png|safetensors)\b", README)
    )
    named |= {link for link in re.findall(r"\]\((?!http|#)([^)]+)\)", README)}
    assert "tools/quickstart.sh" in named
    for file in sorted(named):
        downloaded = file.removeprefix("saved_models/") in listed
        assert (ROOT / file).exists() or downloaded, f"README.md names {file}"
