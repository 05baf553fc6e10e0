"""Write a whole mini world to disk."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vovtrack.errors import InputError, WriteError
from vovtrack.files.atomic import create
from vovtrack.files.folders import new_folder, unfinished
from vovtrack.files.images import encode_image
from vovtrack.synthetic.annotations import categories, lvis_file, pairs_file, tao_file
from vovtrack.synthetic.contact_sheet import contact_sheets
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.origin import renderer_sha256
from vovtrack.synthetic.photographs import PHOTOGRAPHS
from vovtrack.synthetic.rendering import render_scenes
from vovtrack.synthetic.sections import EVALUATION, SECTIONS, Job, SceneRecord, scene_count
from vovtrack.synthetic.sizes import WorldSize, world_size

MOST_SEED = 2**32 - 1


def write_world(
    out: str | Path,
    seed: int = 0,
    size: str = "small",
    workers: int | None = None,
    force: bool = False,
    progress: bool = False,
    dials: Dials | None = None,
) -> Path:
    """Render a mini world: images, annotations in the real formats, and a contact sheet.

    The same seed, size and dials give the same bytes, whatever the number of workers;
    ``world.json`` says what the world depends on. It takes the name ``out`` when it is complete.
    Until then it lies in a hidden folder beside it, where a run that was interrupted and is started
    again finds the scenes that are finished.

    Args:
        out: Folder to write.
        seed: Seed of the world, 0 to `MOST_SEED`.
        size: One of `SIZES`.
        workers: Processes to use; None takes one per CPU. A script that uses more than one must
            call this under ``if __name__ == "__main__":``.
        force: Replace ``out`` if it already holds something, and an unfinished world of other
            settings.
        progress: Show a progress bar on stderr.
        dials: Difficulties of every part of the world; None leaves them as they are.

    Returns:
        The path of ``out``.

    Raises:
        InputError: An argument is out of range, ``out`` is not empty and ``force`` is False, or a
            world of other settings was begun there.
        WriteError: The disk is full; finished scenes are kept.
    """
    out = Path(out).absolute()
    counts = world_size(size)
    workers = (os.cpu_count() or 1) if workers is None else workers
    if not 0 <= seed <= MOST_SEED:
        raise InputError(f"the seed of a mini world must be 0 to {MOST_SEED}, not {seed}")
    if workers < 1:
        raise InputError(f"the number of workers must be 1 or more, not {workers}")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise InputError(
            f"{out} is not empty; choose another folder, or replace its contents with force=True "
            "(--force)"
        )
    dials = dials or Dials()
    origin = _origin(seed, size, dials)
    try:
        with new_folder(out, replace=force, kept=True) as root:
            jobs = [
                Job(section, index, seed, root, counts, dials)
                for section in SECTIONS
                for index in range(scene_count(section, counts))
            ]
            scenes = render_scenes(jobs, root, origin, workers, restart=force, progress=progress)
            _write_annotations(root, scenes, counts)
            create(root / "world.json", (json.dumps(origin, indent=2) + "\n").encode())
            for name, sheet in contact_sheets(root):
                create(root / f"contact_sheets/{name}.png", encode_image(sheet, ".png"))
    except WriteError as error:
        if not unfinished(out).is_dir():
            raise
        raise WriteError(
            f"{error} Finished scenes are kept in '{unfinished(out)}': make room there and type "
            "the same command again, it resumes."
        ) from error
    return out


def _origin(seed: int, size: str, dials: Dials) -> dict[str, Any]:
    """Return what a world depends on, as it stands in ``world.json``."""
    return {
        "seed": seed,
        "size": size,
        "counts": asdict(world_size(size)),
        "dials": asdict(dials),
        "renderer": renderer_sha256(),
        "photographs": {name: photograph.sha256 for name, photograph in PHOTOGRAPHS.items()},
    }


def _write_annotations(root: Path, scenes: dict[str, list[SceneRecord]], size: WorldSize) -> None:
    kinds = categories(scenes["lvis_train"])
    files = {
        "lvis/annotations/train.json": lvis_file(scenes["lvis_train"], kinds, size),
        "lvis/annotations/val.json": lvis_file(scenes["lvis_val"], kinds, size),
        "pairs/annotations/train.json": pairs_file(scenes["pairs_train"], kinds, size),
    }
    for section in ("tao_train", *EVALUATION):
        name = f"tao/annotations/{section.removeprefix('tao_')}.json"
        files[name] = tao_file(section, scenes[section], kinds, size)
    for name, content in files.items():
        create(root / name, (json.dumps(content, separators=(",", ":")) + "\n").encode())
