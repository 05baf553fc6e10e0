"""Write a whole mini world to disk."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
from tqdm import tqdm

from vovtrack.errors import InputError
from vovtrack.files.atomic import create
from vovtrack.files.folders import new_folder
from vovtrack.files.images import encode_image
from vovtrack.synthetic.annotations import categories, lvis_file, pairs_file, tao_file
from vovtrack.synthetic.contact_sheet import draw_contact_sheet
from vovtrack.synthetic.sections import SECTIONS, Job, SceneRecord, scene_count, write_scene
from vovtrack.synthetic.sizes import WorldSize, world_size


def write_world(
    out: str | Path,
    seed: int = 0,
    size: str = "small",
    workers: int | None = None,
    force: bool = False,
    progress: bool = False,
) -> Path:
    """Render a mini world: images, annotations in the real formats, and a contact sheet.

    The same seed and size give the same bytes, whatever the number of workers. The world is
    built in a temporary folder beside ``out`` and renamed when it is complete.

    Args:
        out: Folder to write.
        seed: Seed of the world, >= 0.
        size: "tiny", "small" or "large"; see `SIZES`.
        workers: Processes to use; None takes one per CPU. A script that uses more than one must
            call this under ``if __name__ == "__main__":``.
        force: Replace ``out`` if it already holds something.
        progress: Show a progress bar on stderr.

    Returns:
        The path of ``out``.

    Raises:
        InputError: An argument is out of range, or ``out`` is not empty and ``force`` is False.
    """
    out = Path(out).absolute()
    counts = world_size(size)
    workers = (os.cpu_count() or 1) if workers is None else workers
    if seed < 0:
        raise InputError(f"the seed of a mini world must be 0 or more, not {seed}")
    if workers < 1:
        raise InputError(f"the number of workers must be 1 or more, not {workers}")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise InputError(
            f"{out} is not empty; choose another folder, or replace its contents with force=True "
            "(--force)"
        )
    with new_folder(out, replace=force) as root:
        scenes = _render(root, seed, counts, workers, progress)
        _write_annotations(root, scenes, counts)
        sheet = draw_contact_sheet(root, seed)
        create(root / "contact_sheet.png", encode_image(sheet, ".png"))
    return out


def _render(
    root: Path, seed: int, size: WorldSize, workers: int, progress: bool
) -> dict[str, list[SceneRecord]]:
    """Render all scenes and return their records by section, in order."""
    jobs = [
        Job(section, index, seed, root, size)
        for section in SECTIONS
        for index in range(scene_count(section, size))
    ]
    scenes: dict[str, list[SceneRecord]] = {section: [] for section in SECTIONS}
    with _mapper(min(workers, len(jobs))) as run:
        bar = tqdm(run(jobs), total=len(jobs), unit="scene", disable=not progress, desc="rendering")
        for job, record in zip(jobs, bar, strict=True):
            scenes[job.section].append(record)
    return scenes


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[[list[Job]], Iterable[SceneRecord]]]:
    """Yield a function that maps `write_scene` over jobs in order, in ``workers`` processes."""
    if workers == 1:
        yield lambda jobs: map(write_scene, jobs)
        return
    # Forking a process that has threads (torch, OpenCV) can hang, so workers start afresh.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker) as pool:
        yield lambda jobs: pool.map(write_scene, jobs, chunksize=2)


def _start_worker() -> None:
    cv2.setNumThreads(0)


def _write_annotations(root: Path, scenes: dict[str, list[SceneRecord]], size: WorldSize) -> None:
    kinds = categories(scenes["lvis_train"])
    files = {
        "lvis/annotations/train.json": lvis_file(scenes["lvis_train"], kinds, size),
        "lvis/annotations/val.json": lvis_file(scenes["lvis_val"], kinds, size),
        "pairs/annotations/train.json": pairs_file(scenes["pairs_train"], kinds, size),
    }
    for section in ("tao_train", "tao_validation", "tao_shifted"):
        name = f"tao/annotations/{section.removeprefix('tao_')}.json"
        files[name] = tao_file(section, scenes[section], kinds, size)
    for name, content in files.items():
        create(root / name, (json.dumps(content, separators=(",", ":")) + "\n").encode())
