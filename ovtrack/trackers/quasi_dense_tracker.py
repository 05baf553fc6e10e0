"""The tracker of QDTrack."""

from __future__ import annotations

from collections import deque
from typing import Literal

import mmdet.models  # noqa: F401  registers the tracker that this one replaces
import numpy as np
import torch
from mmengine.structures import InstanceData
from numpy.typing import NDArray

from ovtrack.assignment import greedy_assignment, optimal_assignment
from ovtrack.similarity import bidirectional_softmax, cosines, softmax
from ovtrack.trackers.appearance import SUPPRESSED, UNLINKED, AppearanceTracker, Columns
from vovtrack.errors import one_of
from vovtrack.ops.boxes import drop_distractors
from vovtrack.registry import MODELS

ASSIGNMENTS = dict(greedy=greedy_assignment, hungarian=optimal_assignment)


@MODELS.register_module(force=True)
class QuasiDenseTracker(AppearanceTracker):
    """Links by bidirectional softmax against tracks and backdrops.

    Source: QDTrack (Pang et al., CVPR 2021, section 3.3; TPAMI 2023). Backdrops are detections of
    the last frames that belong to no track. They compete with the tracks for detections, so that
    a new object is not forced onto an old track. The arguments have the names of the published
    tracker; it takes the place of mmdet's, which returns early where a frame has no detection.

    Args:
        init_score_thr: A detection starts a track if its score exceeds this; None, here and below,
            takes what the detector says of its scores (:meth:`set_thresholds`).
        obj_score_thr: A detection continues a track if its score exceeds this.
        match_score_thr: A match needs a score strictly above this.
        nms_conf_thr: A detection too weak to continue the track that it matches better than this
            is forgotten as its duplicate, else it may become a backdrop.
        nms_backdrop_iou_thr: A detection below ``obj_score_thr`` is dropped if it overlaps a better
            one by more; backdrops overlap no better detection by more.
        nms_class_iou_thr: The same for other detections, whatever the classes; 1 drops none.
        with_cats: Link only inside a class. The softmax is over all classes.
        match_metric: ``bisoftmax``, ``softmax`` over tracks and backdrops, or ``cosine``.
        assignment: ``greedy`` by score, or ``hungarian``.
        memo_tracklet_frames: Frames after which an unseen track is forgotten.
        memo_backdrop_frames: Backdrops of this many frames are remembered; 0 for none.
        memo_momentum: Weight of the *new* embedding in a track's template (the published name; it
            is an update rate, not a momentum).

    Raises:
        InputError: An unknown metric or assignment.
    """

    def __init__(
        self,
        init_score_thr: float | None = None,
        obj_score_thr: float | None = None,
        match_score_thr: float = 0.5,
        nms_conf_thr: float = 0.5,
        nms_backdrop_iou_thr: float = 0.3,
        nms_class_iou_thr: float = 0.7,
        with_cats: bool = True,
        match_metric: Literal["bisoftmax", "softmax", "cosine"] = "bisoftmax",
        assignment: Literal["greedy", "hungarian"] = "greedy",
        memo_tracklet_frames: int = 10,
        memo_backdrop_frames: int = 1,
        memo_momentum: float = 0.8,
    ) -> None:
        one_of("match_metric", match_metric, ("bisoftmax", "softmax", "cosine"))
        one_of("assignment", assignment, tuple(ASSIGNMENTS))
        super().__init__(
            fields=("embeds",),
            remembered=("labels",),
            memo_frames=memo_tracklet_frames,
            momentum=memo_momentum,
            thresholds=dict(link=obj_score_thr, init=init_score_thr),
        )
        self.match_score_thr = match_score_thr
        self.nms_conf_thr = nms_conf_thr
        self.nms_backdrop_iou_thr = nms_backdrop_iou_thr
        self.nms_class_iou_thr = nms_class_iou_thr
        self.with_cats = with_cats
        self.match_metric = match_metric
        self.assign = ASSIGNMENTS[assignment]
        self.backdrops: deque[Columns] = deque(maxlen=memo_backdrop_frames)

    def reset(self) -> None:
        """Start a new video: no tracks, no backdrops, ids from 0."""
        super().reset()
        self.backdrops.clear()

    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        """Link the detections of one frame to tracks.

        A frame without detections is to be given too: the tracks age, the backdrops go.

        Args:
            instances: ``bboxes`` (n, 4) in any one pixel frame, ``scores`` (n,), ``labels`` (n,)
                and ``embeds`` (n, D).
            frame_id: Frame index inside the video, never decreasing; gaps are allowed.

        Returns:
            The detections that are not duplicates with ``instances_id`` (k,): tracks in order of
            their creation, then those without one in order of score, -1, or -2 where a detection
            repeats a track that it is too weak to continue. CPU tensors.
        """
        found = self.link(instances, frame_id)
        ids = found["instances_id"]
        backdrop = drop_distractors(found["bboxes"], self.nms_backdrop_iou_thr)
        backdrop &= ids == UNLINKED
        self.backdrops.appendleft({name: value[backdrop] for name, value in found.items()})
        order = np.where(ids < 0, self.memory.num_issued, ids).argsort(kind="stable")
        return InstanceData(
            **{name: torch.from_numpy(value[order]) for name, value in found.items()}
        )

    def candidates(self, found: Columns) -> NDArray[np.int64]:
        """The detections (k,) that are not duplicates, best first."""
        order = np.argsort(-found["scores"], kind="stable")
        bboxes, scores = found["bboxes"][order], found["scores"][order]
        limits = np.where(
            scores < self.thresholds.link, self.nms_backdrop_iou_thr, self.nms_class_iou_thr
        )
        return order[drop_distractors(bboxes, limits.astype(bboxes.dtype))]

    def match(self, found: Columns) -> NDArray[np.int64]:
        """Memory row of each candidate, (n,), see :class:`AppearanceTracker`."""
        affinity = self._affinity(found)
        strong = found["scores"] > self.thresholds.link
        rows = self.assign(affinity, self.match_score_thr, strong, len(self.memory))
        weak = np.flatnonzero((rows >= 0) & ~strong)
        repeats = affinity[weak, rows[weak]] > self.nms_conf_thr
        rows[weak] = np.where(repeats, SUPPRESSED, UNLINKED)
        return rows

    def _affinity(self, found: Columns) -> NDArray[np.floating]:
        """Match scores (N, K + B) with the tracks and backdrops."""
        embeds, labels = (
            np.concatenate([self.memory[name], *(frame[name] for frame in self.backdrops)])
            for name in self.memory.fields
        )
        dots = found["embeds"] @ embeds.T
        if self.match_metric == "cosine":
            affinity = cosines(dots, found["embeds"], embeds)
        elif self.match_metric == "softmax":
            affinity = softmax(dots, axis=1)
        else:
            affinity = bidirectional_softmax(dots, eps=0)
        if self.with_cats:
            affinity *= found["labels"][:, None] == labels
        return affinity
