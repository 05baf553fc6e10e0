"""Two runs with one folder of results: the first has it, the second stops before it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from vovtrack.cli.main import main
from vovtrack.errors import InputError
from vovtrack.files.folders import held_folders


def test_a_second_test_stops_before_it_writes(world, repository, tmp_path, capsys):
    results = tmp_path / "results"
    words = [
        *("test", "configs/mini/ovtrack.py", "saved_models/mini/ovtrack_mini.safetensors"),
        *("--work-dir", str(tmp_path / "work"), "--device", "cpu", "--format-only"),
        *("--eval-options", f"resfile_path={results}", "--cfg-options"),
        f"test_dataloader.dataset.data_root={world}",
        f"test_evaluator.ann_file={world / 'tao/annotations/validation.json'}",
        *("test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"),
    ]
    with held_folders([results]):
        assert main(words) == 2
        assert not list(results.iterdir())
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told == (
        f"vovtrack test: Another run is writing its results to '{results}': wait until it has "
        "ended, or choose another folder."
    )


def test_one_folder_under_two_names_is_held_once(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with held_folders([tmp_path / "a", tmp_path / "link", tmp_path / "a/../a"]):
        with pytest.raises(InputError, match="Another run"), held_folders([tmp_path / "link"]):
            pass
        with held_folders([tmp_path / "b"]):
            pass
    with held_folders([tmp_path / "a"]):
        pass


def test_a_killed_run_lets_go_though_its_workers_live(tmp_path, repo_root):
    program = textwrap.dedent(
        """
        import os, sys, time
        from vovtrack.files.folders import held_folders
        with held_folders([sys.argv[1]]):
            worker = os.fork()
            os.write(1, b"%d\\n" % worker)  # of both, in one piece
            time.sleep(60)
        """
    )
    run = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repo_root)},
    )
    worker = max(int(run.stdout.readline()) for _ in range(2))
    try:
        with pytest.raises(InputError, match="Another run"), held_folders([tmp_path]):
            pass
        run.kill()
        run.wait()
        with held_folders([tmp_path]):
            os.kill(worker, 0)  # it lives
    finally:
        os.kill(worker, signal.SIGKILL)
        run.stdout.close()
