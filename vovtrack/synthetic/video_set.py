"""Write a set of rendered videos in one of the real formats, resuming where it was interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vovtrack.errors import InputError, WriteError, one_of
from vovtrack.files.folders import new_folder
from vovtrack.files.hashing import tree_sha256
from vovtrack.files.long_jobs import in_processes, journal, read_journal
from vovtrack.structures.vocabulary import first_repeated
from vovtrack.synthetic.origin import renderer_sha256
from vovtrack.synthetic.video_formats import FORMATS, Video, VideoFormat
from vovtrack.synthetic.video_source import VideoSource

JOURNAL = "videos.jsonl"
"""Beside the folder that is written: the finished videos with the hashes of their files."""
Sources = Sequence[tuple[str, Callable[[], VideoSource]]]
"""Names of videos, and what opens each when its turn comes: functions that other processes find."""


def write_videos(
    out: str | Path,
    format: str,
    sources: Sources,
    *,
    seed: int = 0,
    held_out: int = 0,
    names: Sequence[str] | None = None,
    groups: Sequence[int] | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int = 1,
    force: bool = False,
    progress: bool = False,
) -> Path:
    """Render videos and write them in a real format, one at a time.

    The set is built in a folder beside ``out`` and renamed when it is complete. A run that ends
    early, by an interrupt or a full disk, leaves the videos that it has finished, and the same
    call resumes without opening them. The same arguments give the same bytes, whatever the number
    of workers.

    Args:
        out: Folder to write.
        format: One of ``FORMATS``.
        sources: The videos. A source is opened when it is rendered, and then dropped.
        seed: Of what a format draws at random: detections, targets, points. The pixels are the
            sources' business.
        held_out: How many videos, the last ones, go to the split that is held out.
        names: Class name of every label that occurs in ``sources``, for GOT-10k.
        groups: Class in formats of few classes (BDD100K) of every label that occurs in
            ``sources``; they are counted round where a format has fewer. Default: the label.
        settings: JSON-ready facts that decide what ``sources`` look like. Resuming is refused
            where they differ.
        workers: Processes to use; a video is in the memory of one of them. A script that uses
            more than one must call this under ``if __name__ == "__main__":``.
        force: Replace ``out`` if it already holds something, and the beginning of another set.
        progress: Show a progress bar on stderr.

    Returns:
        The path of ``out``.

    Raises:
        InputError: An argument is out of range, a name that is not one, a split that the format
            does not have, a video that it cannot hold, or a folder that holds something else.
        WriteError: The disk is full.
    """
    out = Path(out).absolute()
    writer = FORMATS[one_of("format", format, FORMATS)]()
    if seed < 0:
        raise InputError(f"The seed is {seed}: expected 0 or more.")
    if workers < 1:
        raise InputError(f"The number of workers is {workers}: expected 1 or more.")
    places = _arrange([name for name, _ in sources], format, writer.splits, held_out)
    asked = dict(settings or {}, format=format, seed=seed, held_out=held_out)
    asked["renderer"] = renderer_sha256()
    asked |= {"videos": [name for name, _ in sources], "names": names, "groups": groups}
    with new_folder(out, replace=force, kept=True) as root:
        videos = [
            Video(root, *place, seed=(seed, k), names=names, groups=groups)
            for k, place in enumerate(places)
        ]
        finished = _finished(root, asked, writer, videos, restart=force)
        missing = [
            _Job(format, video, source)
            for video, (name, source) in zip(videos, sources, strict=True)
            if name not in finished
        ]
        try:
            with journal(root.with_name(JOURNAL), asked, finished.items()) as add:
                written = in_processes(_write, missing, workers)
                bar = tqdm(written, total=len(missing), unit="video", disable=not progress)
                for line in bar:
                    add(line)
            writer.conclude(root, videos)
        except WriteError as error:
            raise WriteError(
                f"{error} The videos that are finished are kept: make room, then repeat the "
                "command to resume."
            ) from None
    return out


@dataclass(frozen=True)
class _Job:
    """All that a process needs to write one video."""

    format: str
    video: Video
    source: Callable[[], VideoSource]


def _write(job: _Job) -> tuple[str, str]:
    """Write a video and return its name and the hash of its files."""
    writer = FORMATS[job.format]()
    try:
        writer.write(job.video, job.source())
    except WriteError:
        raise
    except InputError as error:
        raise InputError(f"Video '{job.video.name}': {error}") from None
    return job.video.name, _sha256(writer, job.video)


def _finished(
    root: Path, asked: dict[str, Any], writer: VideoFormat, videos: list[Video], restart: bool
) -> dict[str, str]:
    """Return the videos whose files are still what an earlier run wrote, with their hashes."""
    try:
        lines = dict(read_journal(root.with_name(JOURNAL), asked))
    except InputError:
        if not restart:
            raise
        shutil.rmtree(root)
        root.mkdir()
        lines = {}
    return {
        video.name: lines[video.name]
        for video in videos
        if video.name in lines and lines[video.name] == _sha256(writer, video)
    }


def _sha256(writer: VideoFormat, video: Video) -> str:
    """Hash the files of a video; missing ones have a hash, too."""
    return " ".join(tree_sha256(place) for place in writer.places(video))


def _arrange(
    names: list[str], format: str, splits: tuple[str, ...], held_out: int
) -> list[tuple[str, str, int]]:
    """Name, split and position in it of every video."""
    if not names:
        raise InputError("A set of videos needs at least one video.")
    if bad := [name for name in names if Path(name).name != name or name.startswith(".")]:
        raise InputError(f"'{bad[0]}' is not the name of a video: expected that of a file.")
    if (repeated := first_repeated(names)) is not None:
        raise InputError(f"Two videos are called '{repeated}'.")
    if not 0 <= held_out <= len(names):
        raise InputError(f"{held_out} of {len(names)} videos cannot be held out.")
    if held_out and not splits:
        raise InputError(f"{format} has no split to hold videos out in; write two sets.")
    training = len(names) - held_out
    train, test = splits or ("", "")
    return [
        (name, train, k) if k < training else (name, test, k - training)
        for k, name in enumerate(names)
    ]
