"""The tracker of OVTrack and VOVTrack.

Source: OVTrack (Li et al., CVPR 2023, section 3.4) and its released tracker, whose two protocols
are kept as ``mode``: ``ovtrack-teta`` (class-agnostic matching) and ``ovtrack-tao`` (matching
inside a class, for TAO track AP).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ovtrack.assignment import greedy_assignment
from ovtrack.similarity import bidirectional_softmax, cosines
from ovtrack.trackers.appearance import UNLINKED, AppearanceTracker, Columns
from vovtrack.errors import one_of
from vovtrack.ops.boxes import drop_distractors
from vovtrack.registry import MODELS


@MODELS.register_module()
class OVTracker(AppearanceTracker):
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
        super().__init__(
            fields=("embeds", "cls_embeds") if match_metric == "cosine" else ("embeds",),
            remembered=("labels", "scores"),
            memo_frames=memo_frames,
            momentum=momentum_embed,
            thresholds=dict(
                link=obj_score_thr, init=init_score_thr, distractor=distractor_score_thr
            ),
        )
        self.within_class = mode == "ovtrack-tao"
        self.match_score_thr = match_score_thr
        self.match_metric = match_metric
        self.match_with_cosine = match_with_cosine
        self.momentum_obj_score = momentum_obj_score
        self.distractor_iou_thr = distractor_iou_thr
        self.contrastive_thr = contrastive_thr

    def candidates(self, found: Columns) -> NDArray[np.bool_]:
        """Mask (n,) of the detections that are not distractors."""
        labels = found["labels"] if self.within_class else None
        keep = drop_distractors(found["bboxes"], self.distractor_iou_thr, labels)
        return keep | (found["scores"] > self.thresholds.distractor)

    def match(self, found: Columns) -> NDArray[np.int64]:
        """Memory row of each candidate, (n,); inside a class also smooths their scores."""
        eligible = found["scores"] >= self.thresholds.link
        rows = greedy_assignment(self._match_scores(found), self.match_score_thr, eligible)
        rows[~eligible] = UNLINKED
        if self.within_class:
            self._smooth_scores(found["scores"], rows)
        return rows

    def _match_scores(self, found: Columns) -> NDArray[np.floating]:
        embeds, memory = found["embeds"], self.memory
        logits = embeds @ memory["embeds"].T
        cosine = cosines(logits, embeds, memory["embeds"])
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

    def _smooth_scores(self, scores: NDArray[np.floating], rows: NDArray[np.int64]) -> None:
        matched, rate = rows >= 0, self.momentum_obj_score
        old = self.memory["scores"][rows[matched]]
        scores[matched] = rate * scores[matched] + (1 - rate) * old
