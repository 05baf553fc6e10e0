"""The door for written files: whole or absent, never something else than a file."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from vovtrack.errors import InputError, WriteError
from vovtrack.files import atomic
from vovtrack.files.atomic import append, atomic_write, create, move
from vovtrack.files.folders import new_folder, unfinished
from vovtrack.files.targets import guarded_inputs, mark_input


@pytest.fixture(autouse=True)
def new_process(monkeypatch):
    """Forget which folders were swept: each test stands for a process of its own."""
    monkeypatch.setattr(atomic, "_swept", set())


@pytest.fixture
def small_disk():
    """Files cannot grow beyond 20 kB, as on a disk that fills up."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def killed(repo_root: Path, script: str, *words: Path) -> None:
    """Run a script that kills itself while it writes."""
    head = "import os, signal, sys\ndef die(): os.kill(os.getpid(), signal.SIGKILL)\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(script), *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(repo_root)},
    )
    assert done.returncode == -signal.SIGKILL


def test_file_appears_when_the_block_is_done(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as file:
        file.write("naïve")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "naïve"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_bytes_and_permissions(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with atomic_write(path, "wb") as file:
        file.write(b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01" and path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_permissions_that_the_user_wants(tmp_path):
    previous = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a.txt"):
            pass
    finally:
        os.umask(previous)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_an_error_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write("new")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [30_000, 3])
def test_a_full_disk_keeps_the_old_file(tmp_path, small_disk, monkeypatch, size):
    path = tmp_path / "a.txt"
    path.write_text("old")
    if size < 20_000:  # what fits into the buffer fails when it is synced

        def fail(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match=r"a\.txt' cannot be written: "), atomic_write(path) as f:
        f.write("n" * size)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file" / "a.txt", Path("/sys/a.txt"), Path("/proc/none/a.txt")):
        with pytest.raises(InputError, match=rf"'{place}' cannot be written"), atomic_write(place):
            pass


def test_a_kill_keeps_the_old_file_and_the_next_run_tidies_up(tmp_path, repo_root):
    path = tmp_path / "a.txt"
    path.write_text("old")
    killed(
        repo_root,
        """
        from vovtrack.files.atomic import atomic_write
        with atomic_write(sys.argv[1]) as file:
            file.write("half")
            file.flush()
            die()
        """,
        path,
    )
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 2
    with atomic_write(tmp_path / "b.txt"):
        pass
    assert {p.name for p in tmp_path.iterdir()} == {"a.txt", "b.txt"}


def test_the_unfinished_file_of_a_living_run_is_left_alone(tmp_path):
    with atomic_write(tmp_path / "a.txt") as file:
        atomic._swept.clear()
        with atomic_write(tmp_path / "b.txt"):
            pass
        file.write("whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_files_that_only_look_unfinished_are_left_alone(tmp_path):
    names = {".a.unfinished", "a.0123456789abcdef.unfinished", ".a.xyz.unfinished"}
    for name in names:
        (tmp_path / name).touch()
    with atomic_write(tmp_path / "b.txt"):
        pass
    assert {p.name for p in tmp_path.iterdir()} == {*names, "b.txt"}


def test_the_longest_names_can_be_written(tmp_path):
    path = tmp_path / ("é" * 125 + ".json")
    with atomic_write(path) as file:
        file.write("x")
    assert path.read_text() == "x"


def test_only_files_are_written(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "target").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    before = sorted(tmp_path.iterdir())
    for name, message in {
        "folder": "names a folder",
        "pipe": "device or a pipe",
        "link": "symbolic link to",
        "dangling": "symbolic link to",
        "/dev/null": "device or a pipe",
    }.items():
        with pytest.raises(InputError, match=message), atomic_write(tmp_path / name) as file:
            file.write("x")
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "target").read_text() == "precious" and Path("/dev/null").is_char_device()


def test_what_becomes_a_link_while_it_is_written_is_not_replaced(tmp_path):
    (tmp_path / "target").write_text("precious")
    with pytest.raises(InputError, match="symbolic link"), atomic_write(tmp_path / "a") as file:
        file.write("x")
        (tmp_path / "a").symlink_to(tmp_path / "target")
    assert (tmp_path / "target").read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "target"]


def test_what_the_run_reads_is_not_replaced_under_any_name(tmp_path):
    source = tmp_path / "weights"
    source.write_text("precious")
    os.link(source, tmp_path / "hard")
    (tmp_path / "soft").symlink_to(source)
    (tmp_path / "here").symlink_to(tmp_path)
    (tmp_path / "sub").mkdir()
    with guarded_inputs():
        mark_input(source, "the checkpoint")
        mark_input("rtsp://camera")
        for name in ("weights", "hard", "soft", "here/weights", "sub/../weights"):
            with (
                pytest.raises(InputError, match="is also the checkpoint"),
                atomic_write(tmp_path / name),
            ):
                pass
    with atomic_write(source) as file:  # outside of the run
        file.write("new")
    assert source.read_text() == "new" and (tmp_path / "hard").read_text() == "precious"


def test_a_run_may_write_again_what_it_wrote(tmp_path):
    path = tmp_path / "results.json"
    with guarded_inputs():
        for text in ("first", "second"):
            with atomic_write(path) as file:
                file.write(text)
            mark_input(path)
    assert path.read_text() == "second"


def test_journals_grow_and_follow_no_link(tmp_path):
    for line in ("a\n", "b\n"):
        with append(tmp_path / "journal", "a") as file:
            file.write(line)
    assert (tmp_path / "journal").read_text() == "a\nb\n"
    (tmp_path / "link").symlink_to(tmp_path / "journal")
    with pytest.raises(InputError, match="symbolic link"), append(tmp_path / "link"):
        pass


def test_a_part_becomes_a_file(tmp_path):
    (tmp_path / "x.part").write_text("whole")
    move(tmp_path / "x.part", tmp_path / "deep" / "x")
    assert (tmp_path / "deep/x").read_text() == "whole" and not (tmp_path / "x.part").exists()


def test_a_folder_appears_when_it_is_complete(tmp_path):
    out = tmp_path / "deep" / "out"
    with new_folder(out) as folder:
        create(folder / "sub/a.txt", b"x")
        with pytest.raises(WriteError, match="exists"):
            create(folder / "sub/a.txt", b"y")
        assert not out.exists()
    assert (out / "sub/a.txt").read_text() == "x" and len(list(out.parent.iterdir())) == 1
    with pytest.raises(InputError, match="not empty"), new_folder(out):
        pass
    with pytest.raises(RuntimeError), new_folder(out, replace=True):
        raise RuntimeError
    assert (out / "sub/a.txt").exists() and len(list(out.parent.iterdir())) == 1
    with new_folder(out, replace=True) as folder:
        create(folder / "b.txt", b"")
    assert [p.name for p in out.iterdir()] == ["b.txt"] and len(list(out.parent.iterdir())) == 1


def test_a_killed_run_leaves_a_folder_that_the_next_removes(tmp_path, repo_root):
    script = """
        from vovtrack.files.folders import new_folder
        with new_folder(sys.argv[1]) as folder:
            die()
    """
    killed(repo_root, script, tmp_path / "out")
    assert len(list(tmp_path.iterdir())) == 1
    with new_folder(tmp_path / "out"):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_kept_is_found_again(tmp_path, repo_root):
    out = tmp_path / "out"
    script = """
        from vovtrack.files.atomic import create
        from vovtrack.files.folders import new_folder
        with new_folder(sys.argv[1], kept=True) as folder:
            create(folder / "a.txt", b"from the killed run")
            die()
    """
    killed(repo_root, script, out)
    with pytest.raises(RuntimeError), new_folder(out, kept=True) as folder:
        assert (folder / "a.txt").is_file() and not out.exists()
        with pytest.raises(InputError, match="Another run"), new_folder(out, kept=True):
            pass
        raise RuntimeError
    with new_folder(out, kept=True) as folder:
        create(folder.with_name("notes"), b"")
        create(folder / "b.txt", b"")
    assert sorted(p.name for p in out.iterdir()) == ["a.txt", "b.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    with new_folder(out, replace=True, kept=True) as folder:
        assert not list(folder.iterdir())
    assert not list(out.iterdir()) and [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_kept_folder_behind_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    unfinished(tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    refused = pytest.raises(WriteError, match="out' cannot be written")
    with refused, new_folder(tmp_path / "out", kept=True):
        pass
    assert not list((tmp_path / "elsewhere").iterdir())
