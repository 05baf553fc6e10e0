"""tools/train_mini.sh: its commands are understood, and what is done is not done again."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from places import ROOT
from test_quickstart import RECORDER

from vovtrack.cli.main import build_parser

SCRIPTS = ("tools/train_mini.sh", "tools/dist_train.sh", "tools/_launch.sh")


def run(clone: Path, **environment: str) -> list[list[str]]:
    """The commands that ran."""
    log = clone / "log"
    log.write_text("")
    path = f"{clone / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "tools/train_mini.sh", "out"],
        cwd=clone,
        env={**os.environ, "PATH": path, "LOG": str(log), "FAIL": "-", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in log.read_text().splitlines()]


def test_the_weights_are_trained_slimmed_and_tested_on_other_worlds(tmp_path):
    for name in SCRIPTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("vovtrack", "python"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(RECORDER)
        program.chmod(0o755)
    for stage in ("detector", "ovtrack"):
        (tmp_path / "out" / stage).mkdir(parents=True)
        (tmp_path / "out" / stage / "last_checkpoint").write_text(f"{stage}.pth")
    commands = run(tmp_path, WORLDS="7 8")
    programs = [words[0] if "/" not in words[0] else Path(words[0]).name for words in commands]
    assert programs == [
        *("synth", "train_mini_clip.py", "train.py", "train.py", "export"),
        *("synth", "test") * 2,
    ]
    for words in commands:
        if "/" not in words[0]:
            build_parser(words[:1]).parse_args(words)
        elif words[0].endswith("train.py"):
            build_parser(["train"]).parse_args(["train", *words[1:]])
    assert "ovtrack.pth" in commands[4] and "load_from=detector.pth" in commands[3]

    (tmp_path / "out/world").mkdir()
    (tmp_path / "out/world/world.json").write_text("{}")
    again = run(tmp_path, WORLDS="7", CLIP="shipped")
    assert not any("clip.py" in words[0] or "out/world" in words for words in again)
    shipped = "text_encoder.pretrained=saved_models/mini/clip_mini.safetensors"
    assert sum(word.endswith(shipped) for words in again for word in words) == 3
