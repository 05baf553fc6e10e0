"""Rendering that is interrupted: what is finished is kept, and nothing half finished is used."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.vovtrack.synthetic.test_world import hashes
from vovtrack.cli.main import main
from vovtrack.errors import InputError
from vovtrack.files.atomic import create
from vovtrack.files.folders import new_folder, unfinished
from vovtrack.synthetic import write_world
from vovtrack.synthetic.rendering import JOURNAL


def words(out: Path, *more: str) -> list[str]:
    return ["synth", "--size", "tiny", "--workers", "1", "--out", str(out), *more]


def scenes_of(out: Path) -> list[str]:
    """Lines for the finished scenes of an unfinished world."""
    path = unfinished(out) / JOURNAL
    return path.read_text().split("\n")[1:-1] if path.is_file() else []


def times_of(folder: Path) -> dict[str, int]:
    """When each picture of a world was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.jpg")
    }


def interrupt(out: Path, how: signal.Signals, workers: str, size: str = "tiny") -> tuple[int, str]:
    """Begin a world and end the command with a signal; its exit status and what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vovtrack", *words(out, "--workers", workers, "--size", size)],
        env=dict(os.environ, OMP_NUM_THREADS="1"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests run in the background, a shell made them deaf to it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    limit = time.monotonic() + 120
    while len(scenes_of(out)) < 15:
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, how)
    said = process.communicate()[1]
    return process.returncode, said


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory) -> Path:
    """Where a world is to be whose rendering was killed."""
    out = tmp_path_factory.mktemp("interrupted") / "world"
    interrupt(out, signal.SIGKILL, "1")
    return out


@pytest.fixture
def begun(interrupted, tmp_path) -> Path:
    """The same in a folder of its own."""
    shutil.copytree(unfinished(interrupted), unfinished(tmp_path / "world"))
    return tmp_path / "world"


def test_ctrl_c_ends_all_processes_and_says_that_nothing_is_lost(tmp_path):
    out = tmp_path / "world"
    status, said = interrupt(out, signal.SIGINT, "2", "validation")  # not done before the signal
    assert status == 130 and "Traceback" not in said
    assert "the same command resumes" in said and said.splitlines()[-1].endswith("interrupted")
    assert len(scenes_of(out)) >= 15 and not out.exists()


def test_it_resumes_with_what_is_finished_and_sound(begun, world):
    assert not begun.exists()
    finished = scenes_of(begun)
    assert 14 <= len(finished) < 36
    damaged, gone = (unfinished(begun) / "new/lvis/images/train" / f"00000{n}.jpg" for n in (3, 5))
    damaged.write_bytes(damaged.read_bytes()[:-100])
    gone.unlink()
    create(unfinished(begun) / "new/raw/MiniWorld/v_0002/frame0001.jpg", b"half a pict")
    with (unfinished(begun) / JOURNAL).open("a") as file:
        file.write('["raw/0", "12')  # cut short
    before = times_of(unfinished(begun) / "new")
    assert main(words(begun)) == 0
    assert hashes(begun) == hashes(world)
    assert not unfinished(begun).exists()
    after = times_of(begun)
    again = [name for name in before if after[name] != before[name]]
    assert f"lvis/images/train/{damaged.name}" in again
    kept = {name for name in before if name.startswith("lvis/images/")} - {*again}
    assert len(kept) > 12


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (("--seed", "1"), "seed"),
        (("--size", "validation"), "counts"),
        (("--dial", "blur=0"), "dials"),
    ],
)
def test_another_world_is_not_mixed_with_it(begun, capsys, more, named):
    before = times_of(unfinished(begun) / "new")
    assert main(words(begun, *more)) == 2
    error = capsys.readouterr().err
    assert "begun with other settings" in error and named in error and "delete it" in error
    assert times_of(unfinished(begun) / "new") == before and not begun.exists()


def test_another_renderer_is_noticed_and_may_start_anew(begun, capsys, world):
    path = unfinished(begun) / JOURNAL
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(json.dumps(json.loads(first) | {"renderer": "older"}) + "\n" + "".join(rest))
    before = times_of(unfinished(begun) / "new")
    assert main(words(begun)) == 2
    assert "other settings (renderer)" in capsys.readouterr().err
    assert main(words(begun, "--force")) == 0
    assert hashes(begun) == hashes(world)
    after = times_of(begun)
    assert all(after[name] != before[name] for name in before)


def test_a_full_disk_keeps_what_is_finished(tmp_path, world, capsys):
    """Files cannot grow beyond 25 kB, and the journal does."""
    out = tmp_path / "world"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, limits[1]))
    try:
        assert main(words(out)) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("vovtrack synth: '") and "make room" in error and "resumes" in error
    assert str(unfinished(out)) in error and not out.exists()
    before = times_of(unfinished(out) / "new")
    finished = scenes_of(out)
    assert finished
    assert main(words(out)) == 0
    assert hashes(out) == hashes(world)
    first = "lvis/images/train/000001.jpg"
    assert times_of(out)[first] == before[first]


def test_two_runs_do_not_write_one_world(begun):
    with new_folder(begun, kept=True), pytest.raises(InputError, match="Another run"):
        write_world(begun, size="tiny", workers=1)
