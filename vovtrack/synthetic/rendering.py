"""Render all scenes of a world, in several processes, and resume where a run was interrupted."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vovtrack.errors import InputError
from vovtrack.files.long_jobs import in_processes, journal, read_journal
from vovtrack.synthetic.sections import Job, SceneRecord, write_scene

JOURNAL = "scenes.jsonl"
"""Beside the folder that is rendered: the finished scenes with the hashes of their pictures."""


def render_scenes(
    jobs: list[Job],
    root: Path,
    settings: dict[str, Any],
    workers: int,
    restart: bool = False,
    progress: bool = False,
) -> dict[str, list[SceneRecord]]:
    """Render what an earlier run has not finished and return all records by section, in order.

    A scene whose pictures are not what was written is rendered again.

    Args:
        jobs: All scenes.
        root: Folder of the world; its parent holds the journal.
        settings: What the world depends on.
        workers: Processes to use.
        restart: Remove what a run with other settings has finished, instead of refusing it.
        progress: Show a progress bar on stderr.

    Raises:
        InputError: An earlier run had other settings, or a process died.
        WriteError: The disk is full; finished scenes are kept.
    """
    path = root.with_name(JOURNAL)
    done = _finished(path, root, jobs, settings, restart)
    _clear(root, keep={root / name for job in jobs if job.key in done for name in job.files})
    left = [job for job in jobs if job.key not in done]
    records = in_processes(write_scene, left, workers, chunk=2)
    bar = tqdm(
        total=len(jobs), initial=len(done), unit="scene", disable=not progress, desc="rendering"
    )
    with journal(path, settings, done.values()) as add, bar:
        for job, record in zip(left, records, strict=True):
            done[job.key] = [job.key, _sha256(root, job), asdict(record)]
            add(done[job.key])
            bar.update()
    scenes: dict[str, list[SceneRecord]] = {job.section: [] for job in jobs}
    for job in jobs:
        scenes[job.section].append(SceneRecord.from_json(done[job.key][2]))
    return scenes


def _finished(
    path: Path, root: Path, jobs: list[Job], settings: dict[str, Any], restart: bool
) -> dict[str, list[Any]]:
    """Return the lines of the journal whose pictures are still what was written, by scene."""
    try:
        lines = {line[0]: line for line in read_journal(path, settings)}
    except InputError:
        if not restart:
            raise
        return {}
    return {
        job.key: lines[job.key]
        for job in jobs
        if job.key in lines and lines[job.key][1] == _sha256(root, job)
    }


def _sha256(root: Path, job: Job) -> str:
    """Hash the pictures of a scene, one after the other; nothing stands for a missing one."""
    digest = hashlib.sha256()
    for name in job.files:
        with suppress(FileNotFoundError):
            digest.update((root / name).read_bytes())
    return digest.hexdigest()


def _clear(root: Path, keep: set[Path]) -> None:
    """Remove the files of scenes that are not finished."""
    for path in root.rglob("*"):
        if path not in keep and not path.is_dir():
            path.unlink()
