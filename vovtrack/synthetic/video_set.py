"""Write a set of rendered videos in one of the real formats, resuming where it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vovtrack.errors import InputError, WriteError, one_of
from vovtrack.files.archives import read_json
from vovtrack.files.atomic import create
from vovtrack.files.folders import held_folders, new_folder
from vovtrack.structures.vocabulary import first_repeated
from vovtrack.synthetic.video_formats import FORMATS, Video, VideoFormat
from vovtrack.synthetic.video_source import VideoSource

RECORD = "video_set.json"
"""What a set was made of, beside its videos."""

Sources = Sequence[tuple[str, Callable[[], VideoSource]]]
"""Names of videos, and what opens each when its turn comes."""


def write_videos(
    out: str | Path,
    format: str,
    sources: Sources,
    *,
    seed: int = 0,
    held_out: int = 0,
    groups: Sequence[int] | None = None,
    settings: Mapping[str, Any] | None = None,
    force: bool = False,
    progress: bool = False,
) -> Path:
    """Render videos and write them in a real format, one at a time.

    A video is complete under its name or absent. A run that ends early, by an interrupt or a full
    disk, leaves the videos that are complete, and the same call resumes without opening them. The
    same arguments give the same bytes.

    Args:
        out: Folder to write. It is empty, does not exist, or holds the beginning of this very set.
        format: One of ``FORMATS``.
        sources: The videos. A source is opened when it is rendered, and then dropped.
        seed: Of what a format draws at random: detections, targets, points. The pixels are the
            sources' business.
        held_out: How many videos, the last ones, go to the split that is held out.
        groups: Class in formats of few classes (BDD100K) of every label that occurs in
            ``sources``; they are counted round where a format has fewer. Default: the label.
        settings: JSON-ready facts that decide what ``sources`` look like. Resuming is refused
            where they differ.
        force: Replace ``out`` if it already holds something.
        progress: Show a progress bar on stderr.

    Returns:
        The path of ``out``.

    Raises:
        InputError: An unknown format, a name that is not one, a split that the format does not
            have, a video that it cannot hold, or a folder that holds something else.
        WriteError: The disk is full.
    """
    out = Path(out).absolute()
    writer = FORMATS[one_of("format", format, FORMATS)]()
    if seed < 0:
        raise InputError(f"The seed is {seed}: expected 0 or more.")
    videos = _arrange(out, writer, format, sources, seed, held_out, groups)
    record = {
        "format": format,
        "seed": seed,
        "held_out": held_out,
        "videos": [name for name, _ in sources],
        "settings": dict(settings or {}),
    }
    _begin(out, record, force)
    with held_folders([out]):
        missing = [k for k, video in enumerate(videos) if not writer.place(video).exists()]
        for k in tqdm(missing, unit="video", disable=not progress, desc="rendering"):
            try:
                writer.write(videos[k], sources[k][1]())
            except WriteError as error:
                raise WriteError(
                    f"{error} The videos that are complete are kept: make room, then repeat the "
                    "command to resume."
                ) from None
        writer.conclude(out, videos)
    return out


def _arrange(
    out: Path,
    writer: VideoFormat,
    format: str,
    sources: Sources,
    seed: int,
    held_out: int,
    groups: Sequence[int] | None,
) -> list[Video]:
    """Say where every video goes."""
    names = [name for name, _ in sources]
    if not names:
        raise InputError("A set of videos needs at least one video.")
    if bad := [name for name in names if Path(name).name != name or name.startswith(".")]:
        raise InputError(f"'{bad[0]}' is not the name of a video: expected that of a file.")
    if (repeated := first_repeated(names)) is not None:
        raise InputError(f"Two videos are called '{repeated}'.")
    if not 0 <= held_out <= len(names):
        raise InputError(f"{held_out} of {len(names)} videos cannot be held out.")
    if held_out and not writer.splits:
        raise InputError(f"{format} has no split to hold videos out in; write two sets.")
    training = len(names) - held_out
    train, test = writer.splits or ("", "")
    return [
        Video(
            root=out,
            name=name,
            split=train if k < training else test,
            number=k if k < training else k - training,
            seed=(seed, k),
            groups=groups,
        )
        for k, name in enumerate(names)
    ]


def _begin(out: Path, record: dict[str, Any], force: bool) -> None:
    """Make the folder of a set, or recognise the one that is to be resumed."""
    if force or not (out / RECORD).exists():
        with new_folder(out, replace=force) as folder:
            create(folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())
    elif (found := read_json(out / RECORD)) != record:
        known = found if isinstance(found, dict) else {}
        other = [key for key in record if known.get(key) != record[key]]
        raise InputError(
            f"'{out}' holds a set of videos with other {' and '.join(other) or 'entries'}: repeat "
            f"the command that began it, choose another folder, or replace it with --force."
        )
