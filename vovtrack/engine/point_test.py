"""Testing a tracker of points on videos, frame by frame as it will be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.runner import TestLoop
from mmengine.structures import BaseDataElement

from vovtrack.engine.online import OnlineTracker
from vovtrack.engine.points import follow_points
from vovtrack.engine.weights.checkpoint import bare_model
from vovtrack.files.hashing import file_sha256
from vovtrack.registry import LOOPS


@LOOPS.register_module()
class PointTestLoop(TestLoop):
    """Runs the ``online`` tracker of the config over videos with queries.

    An item is a video, see :class:`vovtrack.datasets.point_videos.PointVideoDataset`. Its sample
    gets ``pred_points`` (n, T, 2) float32 in pixels, ``pred_visible`` (n, T) bool and ``protocol``,
    what decides the numbers besides the data.

    Queries of mode ``strided`` are also asked about the frames before their own: those are tracked
    in the video that runs backwards.

    Args:
        independent: Follow each query by itself, so that no answer can depend on the other
            questions (the strict reading of TAP-Vid; published trackers are asked all at once).
        **kwargs: As of mmengine's ``TestLoop``.
    """

    def __init__(self, *args: Any, independent: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.independent = independent

    def run(self) -> dict:
        """Test all videos."""
        # Loading a config imports what configs name, this loop among it.
        from vovtrack.engine.load import build_online

        model = bare_model(self.runner.model).eval()
        self._tracker = build_online(self.runner.cfg, model)
        self._protocol = dict(
            tracker=type(self._tracker).__name__,
            settings=dict(self._tracker.settings),
            queries="independent" if self.independent else "joint",
            before_query="backwards where the mode is strided",
            checkpoint_sha256=_digest(self.runner.cfg.get("load_from")),
        )
        return super().run()

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict[str, Sequence[Any]]) -> None:
        """Track the videos of a batch."""
        self.runner.call_hook("before_test_iter", batch_idx=idx, data_batch=data_batch)
        samples = data_batch["data_samples"]
        for video, sample in zip(data_batch["inputs"], samples, strict=True):
            self._track(video, sample)
        self.evaluator.process(data_samples=samples, data_batch=data_batch)
        self.runner.call_hook(
            "after_test_iter", batch_idx=idx, data_batch=data_batch, outputs=samples
        )

    def _track(self, video: torch.Tensor, sample: BaseDataElement) -> None:
        frames = video.permute(0, 2, 3, 1).numpy()
        queries = _inside(sample.queries.numpy(), sample.source_size)
        both_ways = sample.mode == "strided"
        points, visible = ask(self._tracker, frames, queries, self.independent, both_ways)
        sample.pred_points = torch.from_numpy(points)
        sample.pred_visible = torch.from_numpy(visible)
        sample.set_metainfo(dict(protocol=self._protocol))


def ask(
    tracker: OnlineTracker,
    frames: np.ndarray,
    queries: np.ndarray,
    independent: bool = False,
    both_ways: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Ask a tracker for the points of a video, which may be none.

    Args:
        tracker: Any tracker of points.
        frames: (T, H, W, 3) uint8 RGB.
        queries: (n, 3) ``(frame, x, y)``.
        independent: One after the other.
        both_ways: Follow points into the frames before their query, too.

    Returns:
        (n, T, 2) float32 points and (n, T) bool, see :func:`follow_points`.
    """
    if not len(queries):
        return np.zeros((0, len(frames), 2), np.float32), np.zeros((0, len(frames)), dtype=bool)
    asked = np.split(queries, len(queries)) if independent else [queries]
    found = [follow_points(tracker, frames, rows) for rows in asked]
    points, visible = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if both_ways:
        mirrored = queries * (-1, 1, 1) + (len(frames) - 1, 0, 0)
        back_points, back_visible = ask(tracker, frames[::-1], mirrored, independent)
        before = np.arange(len(frames)) < queries[:, :1]
        points = np.where(before[..., None], back_points[:, ::-1], points)
        visible = np.where(before, back_visible[:, ::-1], visible)
    return points, visible


def _inside(queries: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Queries moved into the frame; annotations may lie on its far border, or just beyond."""
    most = np.nextafter(np.array(size, dtype=np.float32), np.float32(0))
    return np.column_stack([queries[:, 0], queries[:, 1:].clip(0, most)])


def _digest(checkpoint: str | None) -> str | None:
    return None if checkpoint is None else file_sha256(checkpoint)
