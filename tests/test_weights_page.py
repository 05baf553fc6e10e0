"""The weights page followed to the letter, from an empty folder, against a hub on this machine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import FakeHub

from vovtrack.cli.main import build_parser
from vovtrack.engine.weights.download import published
from vovtrack.engine.weights.hub import REPOSITORY

PAGE = (Path(__file__).resolve().parents[1] / "saved_models/README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)
    for line in block.strip().splitlines()
]


def test_every_file_is_on_the_page():
    assert all(f"`{key}`" in PAGE for key in published())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command):
    program, *words = shlex.split(command)
    assert program == "vovtrack"
    build_parser(words[:1]).parse_args(words)


def test_the_fetch_commands_fetch(tmp_path):
    contents = {f"saved_models/{key}": key.encode() * 100 for key in published()}
    stick = tmp_path / "stick"
    for name, content in contents.items():
        (stick / name).parent.mkdir(parents=True, exist_ok=True)
        (stick / name).write_bytes(content)
    fetching = [command for command in COMMANDS if command.startswith("vovtrack download")]
    assert len(fetching) == 4
    with FakeHub(repo=REPOSITORY, files=contents) as hub:
        for number, command in enumerate(fetching):
            folder = tmp_path / ("offline" if "--from" in command else "online")
            folder.mkdir(exist_ok=True)
            words = shlex.split(command.replace("/media/stick", str(stick)))[1:]
            endpoint = "http://127.0.0.1:9" if "--offline" in command else hub.endpoint
            done = subprocess.run(
                [sys.executable, "-m", "vovtrack", *words],
                cwd=folder,
                env={**os.environ, "HF_ENDPOINT": endpoint},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            found = {p.name for p in folder.rglob("*.p*") if p.is_file()}
            assert len(found) == (0, 2, 8, 8)[number]
    for folder in ("online", "offline"):
        for name, content in contents.items():
            assert (tmp_path / folder / name).read_bytes() == content
