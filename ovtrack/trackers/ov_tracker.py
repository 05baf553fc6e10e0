"""The tracker of OVTrack and VOVTrack.

Source: OVTrack (Li et al., CVPR 2023, section 3.4) and its released tracker, whose two protocols
are kept as ``mode``: ``ovtrack-teta`` (class-agnostic matching) and ``ovtrack-tao`` (matching
inside a class, for TAO track AP).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from mmengine.structures import InstanceData

from ovtrack.assignment import greedy_assignment
from ovtrack.similarity import bidirectional_softmax, row_scales
from vovtrack.errors import one_of
from vovtrack.ops.boxes import drop_distractors
from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds
from vovtrack.trackers.memory import TrackMemory


@MODELS.register_module()
class OVTracker:
    """Greedy appearance tracker: bidirectional softmax and cosine of embeddings.

    No motion, no overlap with past boxes: identity is appearance alone.

    Args:
        mode: ``ovtrack-teta`` matches across classes; ``ovtrack-tao`` only inside a class and
            smooths the score of a matched detection.
        init_score_thr: A detection starts a track if its score exceeds this; None, here and below,
            takes what the detector says of its scores (:meth:`set_thresholds`).
        obj_score_thr: A detection takes part in matching if its score reaches this.
        match_score_thr: A match needs a score strictly above this.
        match_metric: ``bisoftmax``, or ``cosine`` gated by class embeddings.
        match_with_cosine: Average the bidirectional softmax with the cosine.
        memo_frames: Frames after which an unseen track is forgotten.
        momentum_embed: Weight of the *new* embedding in a track's template (the released name;
            it is an update rate, not a momentum).
        momentum_obj_score: Weight of the new score in ``ovtrack-tao``.
        distractor_iou_thr: Detections overlapping a better one by more are dropped.
        distractor_score_thr: Only detections up to this score can be dropped.
        contrastive_thr: Minimum cosine of class embeddings in ``cosine``.

    Raises:
        InputError: An unknown mode or metric.
    """

    def __init__(
        self,
        mode: Literal["ovtrack-teta", "ovtrack-tao"] = "ovtrack-teta",
        init_score_thr: float | None = None,
        obj_score_thr: float | None = None,
        match_score_thr: float = 0.5,
        match_metric: Literal["bisoftmax", "cosine"] = "bisoftmax",
        match_with_cosine: bool = True,
        memo_frames: int = 10,
        momentum_embed: float = 0.8,
        momentum_obj_score: float = 0.5,
        distractor_iou_thr: float = 0.3,
        distractor_score_thr: float | None = None,
        contrastive_thr: float = 0.5,
    ) -> None:
        one_of("mode", mode, ("ovtrack-teta", "ovtrack-tao"))
        one_of("match_metric", match_metric, ("bisoftmax", "cosine"))
        self.within_class = mode == "ovtrack-tao"
        own = dict(link=obj_score_thr, init=init_score_thr, distractor=distractor_score_thr)
        self._own_thresholds = {name: value for name, value in own.items() if value is not None}
        self.set_thresholds(ScoreThresholds())
        self.fields = ("embeds", "cls_embeds") if match_metric == "cosine" else ("embeds",)
        self.match_score_thr = match_score_thr
        self.match_metric = match_metric
        self.match_with_cosine = match_with_cosine
        self.momentum_obj_score = momentum_obj_score
        self.distractor_iou_thr = distractor_iou_thr
        self.contrastive_thr = contrastive_thr
        remembered = (*self.fields, "labels", "scores")
        self.memory = TrackMemory(remembered, memo_frames, dict(embeds=momentum_embed))

    def reset(self) -> None:
        """Start a new video: no tracks, ids from 0."""
        self.memory.reset()

    def set_thresholds(self, thresholds: ScoreThresholds) -> None:
        """Take from the detector the score thresholds that the config leaves open."""
        self.thresholds = thresholds._replace(**self._own_thresholds)

    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        """Link the detections of one frame to tracks.

        Args:
            instances: ``bboxes`` (n, 4) in any one pixel frame, ``scores`` (n,) descending,
                ``labels`` (n,), ``embeds`` (n, D) and for ``cosine`` unit ``cls_embeds`` (n, E).
            frame_id: Frame index inside the video, never decreasing; gaps are allowed.

        Returns:
            The detections that are not distractors, in their order, with ``instances_id`` (k,):
            track ids, -1 for detections too weak to start a track. CPU tensors.
        """
        found = {name: value.numpy(force=True) for name, value in instances.items()}
        keep = self._keep(found)
        found = {name: value[keep] for name, value in found.items()}
        rows = self._match(found)
        if self.within_class and len(self.memory):
            self._smooth_scores(found["scores"], rows)
        found["instances_id"] = self._assign_ids(found, rows, frame_id)
        self.memory.forget(frame_id)
        return InstanceData(**{name: torch.from_numpy(value) for name, value in found.items()})

    def _keep(self, found: dict[str, np.ndarray]) -> np.ndarray:
        labels = found["labels"] if self.within_class else None
        keep = drop_distractors(found["bboxes"], self.distractor_iou_thr, labels)
        return keep | (found["scores"] > self.thresholds.distractor)

    def _match(self, found: dict[str, np.ndarray]) -> np.ndarray:
        """Memory row of each detection, -1 for none, (n,) int64."""
        if len(self.memory) == 0 or len(found["scores"]) == 0:
            return np.full(len(found["scores"]), -1)
        eligible = found["scores"] >= self.thresholds.link
        return greedy_assignment(self._match_scores(found), self.match_score_thr, eligible)

    def _match_scores(self, found: dict[str, np.ndarray]) -> np.ndarray:
        embeds, memory = found["embeds"], self.memory
        logits = embeds @ memory["embeds"].T
        cosine = logits * row_scales(embeds)[:, None]
        cosine *= row_scales(memory["embeds"])
        if self.match_metric == "cosine":
            return cosine * (found["cls_embeds"] @ memory["cls_embeds"].T > self.contrastive_thr)
        if self.within_class:
            same = found["labels"][:, None] == memory["labels"][None, :]
            logits[~same] = -np.inf
            cosine *= same
        scores = bidirectional_softmax(logits)
        if self.match_with_cosine:
            scores += cosine
            scores /= 2
        return scores

    def _smooth_scores(self, scores: np.ndarray, rows: np.ndarray) -> None:
        matched, rate = rows >= 0, self.momentum_obj_score
        old = self.memory["scores"][rows[matched]]
        scores[matched] = rate * scores[matched] + (1 - rate) * old

    def _assign_ids(
        self, found: dict[str, np.ndarray], rows: np.ndarray, frame_id: int
    ) -> np.ndarray:
        memory = self.memory
        matched = rows >= 0
        born = ~matched & (found["scores"] > self.thresholds.init)
        ids = np.full_like(rows, -1)
        ids[matched] = memory.ids[rows[matched]]
        ids[born] = memory.issue_ids(int(born.sum()))
        columns = {name: found[name] for name in memory.fields}
        memory.update(rows[matched], frame_id, **{k: v[matched] for k, v in columns.items()})
        memory.append(ids[born], frame_id, **{k: v[born] for k, v in columns.items()})
        return ids
