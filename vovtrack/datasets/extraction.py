"""Video files as folders of frames: decoded once, read in any order ever after."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from tqdm import tqdm

from vovtrack.datasets.video import read_video
from vovtrack.errors import InputError, WriteError
from vovtrack.files.atomic import create
from vovtrack.files.folders import new_folder
from vovtrack.files.images import encode_image

VIDEO_SUFFIXES = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv"}
_SUFFIX = ".jpg"


def extract_videos(
    videos: Sequence[str | Path],
    out: str | Path,
    *,
    every: int = 1,
    quality: int = 95,
    workers: int | None = None,
    progress: bool = False,
) -> tuple[dict[str, int], list[str]]:
    """Write each video as a folder ``out/<name>`` of ``000000.jpg``, ``000001.jpg``, ...

    A folder is complete or absent, so that an interrupted run, typed again, resumes with the
    videos that are not there.

    Args:
        videos: Video files, or folders whose video files are meant, also in sub-folders.
        out: Folder to write.
        every: Keep every N-th frame.
        quality: Of the JPEG files, 1 to 100.
        workers: Processes; default one per CPU.
        progress: Show a bar with rate and remaining time.

    Returns:
        Frames by name of the video, and a sentence for each video that cannot be read.

    Raises:
        InputError: No videos, two of one name, or impossible numbers.
        WriteError: The folder cannot be written to, or the disk is full.
    """
    if every < 1 or not 1 <= quality <= 100:
        raise InputError(f"every is {every}, quality {quality}: expected >= 1, and 1 to 100.")
    named = _named(videos)
    out = Path(out)
    extract = partial(_extract, every=every, quality=quality)
    counts, problems = {}, []
    with ProcessPoolExecutor(workers) as pool:
        waiting = {pool.submit(extract, path, out / name): name for name, path in named.items()}
        for done in tqdm(
            as_completed(waiting), total=len(waiting), unit="video", disable=not progress
        ):
            try:
                counts[waiting[done]] = done.result()
            except WriteError:  # of the disk, not of this video
                pool.shutdown(cancel_futures=True)
                raise
            except InputError as error:
                problems.append(str(error))
    return dict(sorted(counts.items())), sorted(problems)


def _named(videos: Sequence[str | Path]) -> dict[str, Path]:
    """Video files by the name of their folder of frames."""
    named: dict[str, Path] = {}
    for given in map(Path, videos):
        if not given.exists():
            raise InputError(f"Video '{given}' does not exist.")
        found = [given]
        if given.is_dir():
            inside = (path for path in given.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
            found = sorted(inside)
        if not found:
            raise InputError(f"'{given}' holds no video files ({', '.join(VIDEO_SUFFIXES)}).")
        for path in found:
            inner = path.relative_to(given).with_suffix("") if given.is_dir() else Path(path.stem)
            name = "_".join(inner.parts)
            if named.setdefault(name, path) != path:
                raise InputError(
                    f"'{named[name]}' and '{path}' would both become the folder '{name}': "
                    "extract them into different folders."
                )
    return named


def _extract(video: Path, folder: Path, every: int, quality: int) -> int:
    """Write one video and count its frames; a folder that is there already is counted."""
    if folder.is_dir():
        return len(list(folder.glob(f"*{_SUFFIX}")))
    count = 0
    with new_folder(folder) as unfinished:
        for index, frame in enumerate(read_video(video)):
            if index % every == 0:
                name = f"{count:06d}{_SUFFIX}"
                create(unfinished / name, encode_image(frame, _SUFFIX, quality))
                count += 1
    return count
