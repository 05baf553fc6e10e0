"""The mmengine side of the MOTChallenge family: results as text, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vovtrack.evaluation.metrics.video_files import VideoFilesMetric
from vovtrack.formats.mot.sequences import MotWriter
from vovtrack.registry import METRICS
from vovtrack.structures import Tracks, Vocabulary
from vovtrack.structures.videos import VideoRecord


@METRICS.register_module()
class MotTrackMetric(VideoFilesMetric):
    """Writes tracks in the form that the servers of MOTChallenge read, and evaluates them.

    Args:
        ann_file: Folder of ``<sequence>/{seqinfo.ini,gt/gt.txt}``.
        vocabulary: The classes of the model's labels; the first is the pedestrian.
        out_dir: See :class:`VideoFilesMetric`.
        reader: Reader of the dataset that is tested; its ``part`` and ``names`` are evaluated.
        benchmark: ``mot17``, ``mot20``, ``dancetrack`` or ``sportsmot``.
        format_only: Write the result files and do not evaluate.
        prefix: Prefix of the metric names.
    """

    suffix = ".txt"

    def __init__(
        self,
        ann_file: str,
        vocabulary: str | Sequence[str] | Vocabulary,
        out_dir: str,
        reader: dict[str, Any] | None = None,
        benchmark: str = "mot17",
        format_only: bool = False,
        prefix: str | None = None,
    ) -> None:
        self._reader = reader or dict(format="mot")
        super().__init__(
            ann_file, self._reader, vocabulary, out_dir, benchmark, format_only, prefix
        )

    def options(self) -> dict[str, Any]:
        """What of the ground truth is evaluated."""
        return {key: self._reader[key] for key in ("part", "names") if key in self._reader}

    def write_video(self, path: Path, video: VideoRecord, frames: Sequence[Tracks]) -> None:
        """Write the tracks of all frames of a sequence, numbered from 1."""
        writer = MotWriter(path)
        for tracks in frames:
            writer.write(tracks)
        writer.finish()
