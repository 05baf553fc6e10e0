"""Rendered videos as single-object sequences of GOT-10k."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vovtrack.files.atomic import atomic_write, create
from vovtrack.files.folders import new_folder
from vovtrack.formats.single_object_folders import box_rows, cover_levels, label_rows, meta_info
from vovtrack.synthetic.video_formats.base import FRAME_RATE, Video, VideoFormat, write_frames
from vovtrack.synthetic.video_formats.target import Target, choose_target
from vovtrack.synthetic.video_source import VideoSource

_WHOLE = 0.98
"""Part of an object's area that makes it wholly visible: drawing it in pixels costs as much."""


class Got10k(VideoFormat):
    """A folder for each sequence, called as in GOT-10k, and a list of those of each split.

    The box goes around all of the target and is cut at the image; the target is absent where no
    pixel of it is seen.
    """

    splits = ("train", "val")

    def places(self, video: Video) -> tuple[Path]:
        """Return its folder."""
        return (video.root / video.split / _name(video),)

    def write(self, video: Video, source: VideoSource) -> None:
        """Render a video and write its files."""
        target = choose_target(source, video.rng(), stays=False)
        with new_folder(self.places(video)[0], replace=True) as folder:
            for _ in write_frames(folder, source, "{:08d}.jpg".format, target.frames):
                pass
            for name, text in _texts(video, source, target).items():
                create(folder / name, text.encode())

    def conclude(self, root: Path, videos: Sequence[Video]) -> None:
        """Write the lists of sequences."""
        for split in {video.split for video in videos}:
            names = [f"{_name(video)}\n" for video in videos if video.split == split]
            with atomic_write(root / split / "list.txt") as file:
                file.write("".join(names))


def _texts(video: Video, source: VideoSource, target: Target) -> dict[str, str]:
    kind = "object" if video.names is None else video.names[target.label]
    info = (video.name, kind, source.width, source.height, len(target.frames), FRAME_RATE)
    return {
        "groundtruth.txt": box_rows(target.bboxes, 4),
        "absence.label": label_rows(target.areas == 0),
        "cover.label": label_rows(cover_levels(target.visible, _WHOLE)),
        "cut_by_image.label": label_rows(target.inside < 1),
        "meta_info.ini": meta_info(*info),
    }


def _name(video: Video) -> str:
    return f"GOT-10k_{video.split.capitalize()}_{video.number + 1:06d}"
