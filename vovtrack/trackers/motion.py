"""The trackers of mmdet that know boxes and motion but no appearance: SORT, ByteTrack, OC-SORT."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds


@MODELS.register_module()
class MotionTracker:
    """Runs a tracker of mmdet on open-vocabulary detections.

    Those trackers link inside a class. An open-vocabulary detector renames an object from frame
    to frame, so by default the classes are hidden from them, as OVTrack's association ignores
    them too.

    Args:
        tracker: Config of ``mmdet.SORTTracker``, ``mmdet.ByteTracker`` or ``mmdet.OCSORTTracker``.
            Its score thresholds may be left out: they are then what the detector says of its
            scores (:meth:`set_thresholds`).
        within_class: Link only detections of one class.
    """

    fields = ()

    def __init__(self, tracker: dict[str, Any], within_class: bool = False) -> None:
        self.tracker = MODELS.build(tracker)
        self.within_class = within_class
        self._own_thresholds = frozenset(tracker)
        self.set_thresholds(ScoreThresholds())

    def reset(self) -> None:
        """Start a new video: no tracks, ids from 0."""
        self.tracker.reset()

    def set_thresholds(self, thresholds: ScoreThresholds) -> None:
        """Take from the detector the score thresholds that the config leaves open.

        Where these trackers tell sure detections from others, sure are those worth showing.
        """
        sure = max(thresholds.draw, thresholds.init)
        values = dict(
            obj_score_thr=thresholds.link,
            obj_score_thrs=dict(high=sure, low=thresholds.link),
            init_track_thr=sure,
        )
        for name in values.keys() - self._own_thresholds:
            if hasattr(self.tracker, name):
                setattr(self.tracker, name, values[name])

    def update(self, instances: InstanceData, frame_id: int) -> InstanceData:
        """Link the detections of one frame, see :class:`vovtrack.trackers.contract.Tracker`.

        Boxes without area are linked to nothing: they have no aspect ratio to filter.
        """
        found = instances.cpu()
        found = found[(found.bboxes[:, 2:] > found.bboxes[:, :2]).all(dim=1)]
        labels = found.labels if self.within_class else torch.zeros_like(found.labels)
        sample = DetDataSample(
            metainfo=dict(frame_id=frame_id),
            pred_instances=InstanceData(bboxes=found.bboxes, scores=found.scores, labels=labels),
        )
        tracked = self.tracker.track(data_sample=sample, model=None, img=None)
        rows = _rows_of(tracked, found)
        order = rows.argsort()
        linked = found[rows[order]]
        linked.instances_id = tracked.instances_id[order].long()
        return linked


def _rows_of(tracked: InstanceData, found: InstanceData) -> torch.Tensor:
    """Which detection each tracked box is, (k,): mmdet's trackers return copies in new order."""
    places: dict[tuple[float, ...], deque[int]] = defaultdict(deque)
    for row, key in enumerate(_keys(found)):
        places[key].append(row)
    return torch.tensor([places[key].popleft() for key in _keys(tracked)], dtype=torch.int64)


def _keys(instances: InstanceData) -> list[tuple[float, ...]]:
    return list(
        map(tuple, torch.cat([instances.bboxes, instances.scores[:, None]], dim=1).tolist())
    )
