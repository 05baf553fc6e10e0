"""Write sets of moving photographs in the real formats."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from vovtrack.files.atomic import create
from vovtrack.files.images import encode_image
from vovtrack.synthetic.albums import Album
from vovtrack.synthetic.moving_photographs import CLASS_NAME, MovingPhotographs, PhotoRecipe
from vovtrack.synthetic.photo_sheet import draw_photo_sheet
from vovtrack.synthetic.rendered_videos import check_limits
from vovtrack.synthetic.video_set import Sources, write_videos


def photo_sources(
    album: Album, videos: int, seed: int = 0, recipe: PhotoRecipe | None = None
) -> Sources:
    """Name the videos of a set of moving photographs, and say how each is opened.

    Args:
        album: Where the photographs come from.
        videos: How many.
        seed: Of the set; a smaller set of the same seed is the beginning of a larger one.
        recipe: What to draw.

    Raises:
        InputError: A number is out of range.
    """
    recipe = recipe or PhotoRecipe()
    size = {"frames": recipe.num_frames, "width": recipe.width, "height": recipe.height}
    check_limits(videos=videos, **size)
    return [
        (f"photos-{k + 1:04d}", partial(open_video, album, seed, k, recipe)) for k in range(videos)
    ]


def open_video(album: Album, seed: int, number: int, recipe: PhotoRecipe) -> MovingPhotographs:
    """Open one video of a set."""
    return MovingPhotographs(np.random.default_rng([seed, number]), album, recipe)


def write_moving_photographs(
    out: str | Path,
    album: Album,
    format: str,
    videos: int,
    seed: int = 0,
    recipe: PhotoRecipe | None = None,
    held_out: int = 0,
    workers: int = 1,
    force: bool = False,
    progress: bool = False,
) -> Path:
    """Write moving photographs in a real format, and a contact sheet beside them.

    Args:
        out: Folder to write.
        album: Where the photographs come from.
        format: See :func:`vovtrack.synthetic.video_set.write_videos`, as of what follows.
        videos: How many.
        seed: Of the set, 0 or more.
        recipe: What to draw.
        held_out: How many videos, the last ones, go to the split that is held out.
        workers: Processes to use.
        force: Replace ``out`` if it already holds something.
        progress: Show a progress bar on stderr.

    Returns:
        The path of ``out``.

    Raises:
        InputError: An argument is out of range, or the format cannot hold such videos.
        WriteError: The disk is full; the videos that are finished are kept.
    """
    recipe = recipe or PhotoRecipe()
    sources = photo_sources(album, videos, seed, recipe)
    out = write_videos(
        out,
        format,
        sources,
        seed=seed,
        held_out=held_out,
        names=[CLASS_NAME],
        groups=[0],
        settings={"recipe": asdict(recipe), "photographs": album.fingerprint},
        workers=workers,
        force=force,
        progress=progress,
    )
    create(out / "contact_sheet.png", encode_image(draw_photo_sheet(sources), ".png"))
    return out
