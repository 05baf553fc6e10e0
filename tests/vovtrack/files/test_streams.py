"""Files that grow over a long run: one writer at a time, kept by whatever ends the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from vovtrack.errors import InputError
from vovtrack.files.streams import abandoned_partials, open_stream

KILLED = """
import os, signal, sys
from vovtrack.files.streams import open_stream
draft = open_stream(sys.argv[1])
draft.file.write("one frame\\n")
draft.file.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_grows_beside_its_destination_and_takes_its_name(tmp_path):
    path = tmp_path / "o.json"
    path.write_text("old")
    draft = open_stream(path)
    draft.file.write("new")
    assert path.read_text() == "old" and draft.temporary.name.endswith(".partial.json")
    draft.publish()
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_second_writer_of_the_same_file_is_refused(tmp_path):
    draft = open_stream(tmp_path / "o.json")
    (tmp_path / "here").symlink_to(tmp_path)
    for name in ("o.json", "here/o.json"):
        with pytest.raises(InputError, match="is being written by another run"):
            open_stream(tmp_path / name)
    open_stream(tmp_path / "o.mp4").discard()
    draft.publish()
    open_stream(tmp_path / "o.json").discard()
    assert {p.name for p in tmp_path.iterdir()} == {"here", "o.json"}


def test_a_kill_keeps_the_partial_file_and_frees_the_name(tmp_path, repo_root):
    path = tmp_path / "o.json"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, path], env={**os.environ, "PYTHONPATH": str(repo_root)}
    )
    assert done.returncode == -signal.SIGKILL and not path.exists()
    (left,) = abandoned_partials(path)
    assert left.read_text() == "one frame\n"
    draft = open_stream(path)
    assert abandoned_partials(path) == [left]
    draft.publish()
    assert left.exists() and path.exists()
