"""tools/quickstart.sh: its commands, its resumption, and the picture that comes out of it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from vovtrack.cli.main import build_parser, main
from vovtrack.files.archives import read_json
from vovtrack.files.images import read_image
from vovtrack.structures import Vocabulary
from vovtrack.synthetic.sections import Job, SceneRecord, write_scene
from vovtrack.synthetic.sizes import SIZES

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = (ROOT / "tools/quickstart.sh").read_text()
RECORDER = """#!/usr/bin/env bash
printf '%q ' "$@" >> "$LOG"; echo >> "$LOG"
[[ " $* " != *" $FAIL "* ]]
"""


def variable(name: str) -> str:
    """What the script sets a variable to."""
    return shlex.split(re.search(rf"^{name}=(.*)$", SCRIPT, flags=re.MULTILINE)[1])[0]


@pytest.fixture
def clone(tmp_path) -> Path:
    """A folder with the script and an installed command that only writes down its words."""
    for name in ("tools/quickstart.sh", "tools/dist_train.sh", "tools/_launch.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("vovtrack", "python"):
        program = tmp_path / ".venv/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(RECORDER)
        program.chmod(0o755)
    (tmp_path / "mine.mp4").write_text("a video")
    return tmp_path


def start(
    clone: Path, *options: str, fail: str = "-", video: str | None = "mine.mp4"
) -> tuple[int, list[list[str]], str]:
    """Exit code, the commands that ran, and what was printed."""
    log = clone / "log"
    log.write_text("")
    real = ["--video", video] if video else []
    done = subprocess.run(
        ["bash", "tools/quickstart.sh", *real, *options],
        cwd=clone,
        env={**os.environ, "LOG": str(log), "FAIL": fail},
        capture_output=True,
        text=True,
    )
    commands = [shlex.split(line) for line in log.read_text().splitlines()]
    return done.returncode, commands, done.stdout + done.stderr


def test_every_command_is_understood_and_what_is_done_is_not_done_again(clone):
    code, commands, told = start(clone)
    assert code == 0, told
    verbs = [words[0] for words in commands]
    assert verbs == ["synth", "test", "evaluate", "track", "draw", "track"]
    for words in commands:
        build_parser(words[:1]).parse_args(words)
    for words in re.findall(r"^  vovtrack (\w+ .*?)(?:  .*)?$", told, flags=re.MULTILINE):
        build_parser().parse_args(shlex.split(words))
    assert start(clone)[:2] == (0, [])


@pytest.mark.parametrize("fail", ["synth", "evaluate", "draw"])
def test_an_interrupted_run_resumes_with_its_stage(clone, fail):
    code, before, told = start(clone, fail=fail)
    assert code != 0 and "Finished" not in told
    assert before[-1][0] == fail
    code, after, told = start(clone)
    assert code == 0 and "Finished" in told
    repeated = {"synth": 1, "evaluate": 2, "draw": 2}[fail]
    assert len(before) + len(after) == 6 + repeated


def test_training_replaces_the_shipped_model(clone):
    out = clone / "work_dirs/quickstart/ovtrack"
    out.mkdir(parents=True)
    (out / "last_checkpoint").write_text("mine.pth")
    assert start(clone)[0] == 0
    code, commands, told = start(clone, "--train")
    assert code == 0, told
    assert commands[0][:3] == ["synth", "--size", "small"]
    assert [Path(w[0]).name for w in commands[1:3]] == ["train.py", "train.py"]
    assert all("mine.pth" in w for w in commands if w[0] in ("test", "track"))


@pytest.mark.parametrize("curl", ["exit 6", 'echo another video > "${@: -1}"'])
def test_without_the_demo_everything_else_runs(clone, curl):
    """No network, or another file than the one that was looked at."""
    program = clone / ".venv/bin/curl"
    program.write_text(f"#!/usr/bin/env bash\n{curl}\n")
    program.chmod(0o755)
    code, commands, told = start(clone, video=None)
    assert code == 0 and "no real clip: the demo cannot be fetched" in told
    assert "real.mp4" not in told
    assert [words[0] for words in commands] == ["synth", "test", "evaluate", "track", "draw"]
    assert not (clone / "work_dirs/quickstart/demo.mp4").exists()


def test_an_unknown_option_is_named(clone):
    code, commands, told = start(clone, "--trian")
    assert code == 2 and not commands
    assert "unknown option '--trian', expected --train or --video FILE" in told


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> tuple[Path, SceneRecord]:
    """The folder of the rendered clip, and its ground truth."""
    root = tmp_path_factory.mktemp("world")
    index = int(variable("clip")[-4:]) - 1
    record = write_scene(Job("tao_validation", index, 0, root, SIZES["validation"]))
    return root / "tao/frames" / variable("clip"), record


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, m) IoU of boxes (n, 4) and (m, 4), xyxy."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = (high - low).clip(0).prod(-1)
    area = lambda b: (b[:, 2:] - b[:, :2]).prod(-1)  # noqa: E731
    return shared / (area(one)[:, None] + area(other)[None] - shared)


@pytest.mark.slow
def test_the_first_picture_of_the_readme_shows_right_names(clip, tmp_path, capsys, repository):
    folder, record = clip
    names = Vocabulary.load(ROOT / "configs/mini/vocabulary.json").names
    present = {names[o.label] for frame in record.frames for o in frame.objects}
    assert set(variable("classes").split(", ")) == present
    words = ["--classes", variable("classes"), "--device", "cpu"]
    tracks, picture = tmp_path / "tracked.json", tmp_path / "tracked.png"
    assert main(["track", str(folder), *words, "--json", str(tracks)]) == 0
    assert main(["draw", "tracks", str(tracks), "--out", str(picture)]) == 0
    content = read_json(tracks)
    voted = {track["track_id"]: track["class"] for track in content["tracks"]}
    checked = 0
    for frame in record.frames:
        truth = np.array([o.bbox for o in frame.objects], float).reshape(-1, 4)
        truth[:, 2:] += truth[:, :2]
        found = content["frames"][frame.frame]["tracks"]
        boxes = np.array([t["bbox"] for t in found]).reshape(-1, 4)
        overlap = overlaps(boxes, truth)
        for track, row in zip(found, overlap, strict=True):
            assert row.max() > 0.5, "a box around nothing"
            assert voted[track["track_id"]] == names[frame.objects[row.argmax()].label]
            checked += 1
    assert checked > 40
    shipped, made = read_image(ROOT / "docs/tracked.png"), read_image(picture)
    assert shipped.shape == made.shape
    assert np.abs(shipped.astype(int) - made).mean() < 2
