"""Journals of long jobs, and jobs in several processes."""

from __future__ import annotations

import math
import os

import pytest

from tests.vovtrack.files.test_atomic import killed
from vovtrack.errors import InputError
from vovtrack.files.long_jobs import in_processes, journal, read_journal

SETTINGS = {"seed": 0, "size": (2, 3)}


def test_a_killed_job_finds_what_it_finished(tmp_path, repo_root):
    path = tmp_path / "job.jsonl"
    assert read_journal(path, SETTINGS) == []
    script = """
        from pathlib import Path
        from vovtrack.files.long_jobs import journal
        with journal(Path(sys.argv[1]), {"seed": 0, "size": (2, 3)}, []) as add:
            add(["a", 1.5])
            add(["b", None])
            die()
    """
    killed(repo_root, script, path)
    with path.open("a") as file:
        file.write('["c", [1, 2')  # cut short
    finished = read_journal(path, SETTINGS)
    assert finished == [["a", 1.5], ["b", None]]
    with journal(path, SETTINGS, finished[1:]) as add:
        add("d")
    assert read_journal(path, SETTINGS) == [["b", None], "d"]


@pytest.mark.parametrize("settings", [{"seed": 1, "size": (2, 3)}, {"size": (2, 3)}])
def test_other_settings_are_named(tmp_path, settings):
    with journal(tmp_path / "job.jsonl", SETTINGS, []):
        pass
    with pytest.raises(InputError, match=r"other settings \(seed\)"):
        read_journal(tmp_path / "job.jsonl", settings)


@pytest.mark.parametrize("content", ["", "[]\n", "\0\xff", "3\n4"])
def test_a_damaged_journal_is_refused(tmp_path, content):
    (tmp_path / "job.jsonl").write_text(content)
    with pytest.raises(InputError, match="delete it"):
        read_journal(tmp_path / "job.jsonl", SETTINGS)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    assert list(in_processes(math.sqrt, [9, 4, 1], workers)) == [3, 2, 1]


def test_a_process_that_dies_is_one_sentence():
    with pytest.raises(InputError, match="fewer --workers"):
        list(in_processes(os._exit, [1, 1], 2))
