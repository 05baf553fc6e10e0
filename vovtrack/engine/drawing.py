"""Pictures of what a model finds while it is tested."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from vovtrack.engine.weights.checkpoint import bare_model
from vovtrack.files.images import read_image, write_image
from vovtrack.registry import HOOKS
from vovtrack.visualization import TrackHistory, draw_tracks


@HOOKS.register_module()
class DrawResultsHook(Hook):
    """Draws the tracks of each test image, or the boxes of a detector.

    Args:
        out_dir: Gets the pictures, in the folders and under the names of the images.
        score_thr: Objects with smaller scores are left out; None takes the threshold that the
            model derives from its vocabulary.
    """

    def __init__(self, out_dir: str, score_thr: float | None = None) -> None:
        self.out_dir = Path(out_dir)
        self.score_thr = score_thr
        self.history = TrackHistory()

    def before_test(self, runner: Runner) -> None:
        """Ask the model for its class names and threshold."""
        model = bare_model(runner.model)
        self.names = model.vocabulary.names
        if self.score_thr is None:
            self.score_thr = model.score_thresholds.draw
        self.root = runner.test_dataloader.dataset.data_prefix.get("img", "")

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        """Draw the images of a batch.

        Raises:
            WriteError: A picture cannot be written.
        """
        for sample in outputs or ():
            self._draw(sample)

    def _draw(self, sample: BaseDataElement) -> None:
        tracked = "pred_track_instances" in sample
        found = sample.pred_track_instances if tracked else sample.pred_instances
        found = found[found.scores > self.score_thr].cpu()
        boxes, labels, scores = (found[name].numpy() for name in ("bboxes", "labels", "scores"))
        track_ids = found.instances_id.numpy() if tracked else None
        if tracked and sample.frame_id == 0:
            self.history = TrackHistory()
        if track_ids is not None:
            self.history.move(track_ids, boxes)
            self.history.vote(track_ids, labels)
        frame = read_image(sample.img_path)[..., ::-1]
        picture = draw_tracks(frame, boxes, track_ids, labels, scores, self.names, self.history)
        place = Path(os.path.relpath(sample.img_path, self.root or "/"))
        target = self.out_dir / (place.name if ".." in place.parts else place)
        write_image(target, picture)
