"""The mmengine side of BDD100K: results in Scalabel's form, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from vovtrack.evaluation.metrics.video_files import VideoFilesMetric
from vovtrack.formats.bdd100k import BddFrame, write_video
from vovtrack.registry import METRICS
from vovtrack.structures import Tracks, Vocabulary
from vovtrack.structures.videos import VideoRecord


@METRICS.register_module()
class BddTrackMetric(VideoFilesMetric):
    """Writes tracks in the form that BDD100K's server and tools read, and evaluates them.

    Args:
        ann_file: Ground truth, JSON file or folder of JSON files. Of videos whose labels are
            secret, the folder of their folders of images, with ``format_only`` and
            ``reader=dict(format="folders")``.
        vocabulary: The classes of the model's labels; their names are those of the results.
        out_dir: See :class:`VideoFilesMetric`.
        reader: See :class:`VideoFilesMetric`.
        benchmark: See :class:`VideoFilesMetric`.
        format_only: Write the result files and do not evaluate.
        prefix: Prefix of the metric names.
    """

    suffix = ".json"

    def __init__(
        self,
        ann_file: str,
        vocabulary: str | Sequence[str] | Vocabulary,
        out_dir: str,
        reader: dict[str, Any] | None = None,
        benchmark: str = "bdd100k",
        format_only: bool = False,
        prefix: str | None = None,
    ) -> None:
        reader = reader or dict(format="bdd100k")
        super().__init__(ann_file, reader, vocabulary, out_dir, benchmark, format_only, prefix)

    def write_video(self, path: Path, video: VideoRecord, frames: Sequence[Tracks]) -> None:
        """Write the tracks of all frames of a video."""
        places = zip(video.numbers.tolist(), video.images, strict=True)
        named = [BddFrame(video.name, n, PurePosixPath(image).name) for n, image in places]
        write_video(path, zip(named, map(_labels, frames), strict=True))


def _labels(tracks: Tracks) -> list[dict[str, Any]]:
    columns = (tracks.track_ids, tracks.labels, tracks.scores, tracks.bboxes)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(id=i, category=tracks.names[k], score=score, box=box) for i, k, score, box in rows]
