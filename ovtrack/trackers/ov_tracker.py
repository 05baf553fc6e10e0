"""The association rule of OVTrack and VOVTrack.

Source: OVTrack (Li et al., CVPR 2023, section 3.4) and its released tracker, whose two protocols
are kept as ``mode``: ``ovtrack-teta`` (class-agnostic matching) and ``ovtrack-tao`` (matching
inside a class, for TAO track AP).
"""

from __future__ import annotations

from typing import Literal

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from ovtrack.trackers.memory import TrackMemory
from vovtrack.ops.assignment import greedy_assignment
from vovtrack.ops.boxes import drop_distractors
from vovtrack.ops.similarity import bidirectional_softmax, cosine_similarity
from vovtrack.registry import MODELS


@MODELS.register_module()
class OVTracker:
    """Greedy appearance tracker: bidirectional softmax and cosine of embeddings.

    No motion, no overlap with past boxes: identity is appearance alone.

    Args:
        mode: ``ovtrack-teta`` matches across classes; ``ovtrack-tao`` only inside a class and
            smooths the score of a matched detection.
        init_score_thr: A detection starts a track if its score exceeds this.
        obj_score_thr: A detection takes part in matching if its score reaches this.
        match_score_thr: A match needs a score strictly above this.
        match_metric: ``bisoftmax``, or ``cosine`` gated by class embeddings where given.
        match_with_cosine: Average the bidirectional softmax with the cosine.
        memo_frames: Frames after which an unseen track is forgotten.
        momentum_embed: Weight of the *new* embedding in a track's template (the released name;
            it is an update rate, not a momentum).
        momentum_obj_score: Weight of the new score in ``ovtrack-tao``.
        distractor_iou_thr: Detections overlapping a better one by more are dropped.
        distractor_score_thr: Only detections below this score can be dropped.
        contrastive_thr: Minimum dot product of class embeddings in ``cosine``.
    """

    def __init__(
        self,
        mode: Literal["ovtrack-teta", "ovtrack-tao"] = "ovtrack-teta",
        init_score_thr: float = 1e-4,
        obj_score_thr: float = 1e-4,
        match_score_thr: float = 0.5,
        match_metric: Literal["bisoftmax", "cosine"] = "bisoftmax",
        match_with_cosine: bool = True,
        memo_frames: int = 10,
        momentum_embed: float = 0.8,
        momentum_obj_score: float = 0.5,
        distractor_iou_thr: float = 0.3,
        distractor_score_thr: float = 0.5,
        contrastive_thr: float = 0.5,
    ) -> None:
        if mode not in ("ovtrack-teta", "ovtrack-tao"):
            raise ValueError(f"mode must be 'ovtrack-teta' or 'ovtrack-tao', got {mode!r}.")
        if match_metric not in ("bisoftmax", "cosine"):
            raise ValueError(f"match_metric must be 'bisoftmax' or 'cosine', got {match_metric!r}.")
        self.within_class = mode == "ovtrack-tao"
        self.init_score_thr = init_score_thr
        self.obj_score_thr = obj_score_thr
        self.match_score_thr = match_score_thr
        self.match_metric = match_metric
        self.match_with_cosine = match_with_cosine
        self.momentum_obj_score = momentum_obj_score
        self.distractor_iou_thr = distractor_iou_thr
        self.distractor_score_thr = distractor_score_thr
        self.contrastive_thr = contrastive_thr
        self.memory = TrackMemory(momentum_embed, memo_frames)

    def reset(self) -> None:
        """Start a new video: no tracks, ids from 0."""
        self.memory.reset()

    @torch.no_grad()
    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        """Link the detections of one frame to tracks.

        Args:
            instances: ``bboxes`` (n, 4) in any one pixel frame, ``scores`` (n,) descending,
                ``labels`` (n,), ``embeds`` (n, D) and optionally ``cls_embeds`` (n, E).
            frame_id: Frame index inside the video, never decreasing; gaps are allowed.

        Returns:
            The detections that are no distractors, in their order, with ``instances_id`` (k,):
            track ids, -1 for detections too weak to start a track. CPU tensors.
        """
        if len(instances) == 0:
            return InstanceData(**dict(instances.items()), instances_id=torch.empty(0).long())
        instances = instances.cpu()
        instances = instances[self._keep(instances)]
        rows = self._match(instances)
        if self.within_class and len(self.memory):
            matched = rows >= 0
            old = self.memory.scores[rows[matched]]
            rate = self.momentum_obj_score
            instances.scores[matched] = rate * instances.scores[matched] + (1 - rate) * old
        instances.instances_id = self._assign_ids(instances, rows, frame_id)
        self.memory.forget(frame_id)
        return instances

    def _keep(self, instances: InstanceData) -> Tensor:
        labels = instances.labels if self.within_class else None
        keep = drop_distractors(instances.bboxes, self.distractor_iou_thr, labels)
        return keep | (instances.scores >= self.distractor_score_thr)

    def _match(self, instances: InstanceData) -> Tensor:
        """Memory row of each detection, -1 for none, (n,) int64."""
        if len(self.memory) == 0:
            return torch.full((len(instances),), -1)
        rows = greedy_assignment(
            self._match_scores(instances).numpy(),
            self.match_score_thr,
            (instances.scores >= self.obj_score_thr).numpy(),
        )
        return torch.from_numpy(rows)

    def _match_scores(self, instances: InstanceData) -> Tensor:
        memory = self.memory
        cosine = cosine_similarity(instances.embeds, memory.embeds)
        if self.match_metric == "cosine":
            scores = cosine
            if "cls_embeds" in instances:
                scores = scores * (
                    instances.cls_embeds @ memory.cls_embeds.T > self.contrastive_thr
                )
        else:
            logits = instances.embeds @ memory.embeds.T
            if self.within_class:
                same = instances.labels[:, None] == memory.labels[None, :]
                logits = logits.masked_fill(~same, -torch.inf)
                cosine = cosine * same
            scores = bidirectional_softmax(logits)
            if self.match_with_cosine:
                scores = (scores + cosine) / 2
        return scores

    def _assign_ids(self, instances: InstanceData, rows: Tensor, frame_id: int) -> Tensor:
        memory = self.memory
        matched = rows >= 0
        born = ~matched & (instances.scores > self.init_score_thr)
        ids = torch.full_like(rows, -1)
        ids[matched] = memory.ids[rows[matched]]
        ids[born] = memory.issue_ids(int(born.sum()))
        columns = {name: instances[name] for name in memory.FIELDS if name in instances}
        memory.update(rows[matched], frame_id, **{k: v[matched] for k, v in columns.items()})
        memory.append(ids[born], frame_id, **{k: v[born] for k, v in columns.items()})
        return ids
