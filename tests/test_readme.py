"""Every command that README.md and docs/training.md show is understood; files they name exist."""

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
PAGES = README + (ROOT / "docs/training.md").read_text()
LATER = "(later release)"
OTHER_PROGRAMS = ("pip", "hf", "pre-commit")


def commands() -> list[tuple[str, bool]]:
    """Commands of the ``bash`` blocks; with each, whether the text before calls it a later one."""
    found = []
    parts = re.split(r"```bash\n(.*?)```", PAGES, flags=re.DOTALL)
    for before, block in zip(parts[::2], parts[1::2], strict=False):
        later = LATER in before.strip().split("\n\n")[-1]
        lines = block.replace("\\\n", " ").splitlines()
        found += [(" ".join(line.split()), later) for line in lines if line.strip()]
    return found


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


def check_run(words: list[str], later: bool) -> None:
    """Parse the words of ``vovtrack train`` or ``test`` and apply their options to the config."""
    from vovtrack.engine.run import load_config

    args = build_parser(words[:1]).parse_args(words)
    try:
        load_config(
            args.config,
            cfg_options=args.cfg_options,
            eval_options=getattr(args, "eval_options", ()),
        )
    except InputError as error:
        missing = "later releases" in str(error) or not Path(args.config).exists()
        if not (later and missing):
            raise


def check_command(command: str, later: bool, tmp_path: Path) -> None:
    words = [w for w in shlex.split(command) if not re.fullmatch(r"[A-Z_]+=\S*", w)]
    if words[0] == "bash":
        words = words[1:]
    program = words[0].removeprefix("./")
    if program.endswith(".sh"):
        assert (ROOT / program).is_file(), f"{program} does not exist"
        if Path(program).name.startswith("dist_"):
            check_run(launched([program, *words[1:]], tmp_path), later)
    elif program == "vovtrack":
        assert words[1] in VERBS, f"vovtrack has no verb '{words[1]}'"
        build_parser(words[1:2]).parse_args(words[1:])
        if words[1] in ("train", "test"):
            check_run(words[1:], later)
    else:
        assert program in OTHER_PROGRAMS, f"'{program}' is no program of this project"


@pytest.mark.parametrize(("command", "later"), commands())
def test_command_is_understood(command, later, repository, tmp_path):
    check_command(command, later, tmp_path)


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
        check_command(command, False, tmp_path)


def test_promised_commands_are_shown():
    shown = " ".join(command for command, _ in commands())
    for promise in (
        "tools/quickstart.sh",
        "tools/test.sh",
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
    later = {
        f"configs/lvis/{n}.py"
        for n in ("detpro_ens_20e", "detpro_ens_20e_part_batch_prompt_reverse")
    }
    for file in sorted(named - later):
        downloaded = file.removeprefix("saved_models/") in listed
        assert (ROOT / file).exists() or downloaded, f"README.md names {file}"
