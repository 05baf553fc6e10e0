"""mmdet's motion trackers behind our interface."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

from vovtrack import compat
from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds
from vovtrack.trackers import MotionTracker

NAMES = ("sort", "bytetrack", "ocsort")


@pytest.fixture(params=NAMES)
def tracker(request, repo_root) -> MotionTracker:
    compat.install()
    cfg = Config.fromfile(repo_root / f"configs/_base_/trackers/{request.param}.py")
    return MODELS.build(cfg.model.tracker)


def frame(centres, scores=None, labels=None) -> InstanceData:
    """Boxes of 40 x 40 pixels around ``centres``, with a mark each."""
    centres = torch.tensor(centres, dtype=torch.float32).reshape(-1, 2)
    count = len(centres)
    return InstanceData(
        bboxes=torch.cat([centres - 20, centres + 20], dim=1),
        scores=torch.tensor([0.9] * count if scores is None else scores),
        labels=torch.tensor(labels or [0] * count),
        embeds=torch.arange(count, dtype=torch.float32).reshape(-1, 1),
    )


def test_identity_follows_motion(tracker):
    ids = []
    for step in range(6):
        linked = tracker.update(frame([(100 + 8 * step, 100), (300 - 8 * step, 300)]), step)
        ids.append(linked.instances_id.tolist())
    assert ids == [[0, 1]] * 6


def test_rows_keep_their_order_and_their_fields(tracker):
    tracker.update(frame([(100, 100), (300, 300)]), 0)
    linked = tracker.update(frame([(500, 100), (302, 300), (102, 100)]), 1)
    assert linked.embeds[:, 0].tolist() == [0, 1, 2]
    assert linked.instances_id.tolist() == [2, 1, 0]
    assert torch.equal(linked.bboxes, frame([(500, 100), (302, 300), (102, 100)]).bboxes)


def test_a_changing_class_does_not_break_a_track_unless_asked_to(tracker):
    for labels, expected in (([3, 4], [0, 1]), ([5, 4], [0, 1])):
        step = labels[0] - 3
        linked = tracker.update(frame([(100, 100), (300, 300)], labels=labels), min(step, 1))
        assert linked.instances_id.tolist() == expected
        assert linked.labels.tolist() == labels
    tracker.within_class = True
    tracker.reset()
    tracker.update(frame([(100, 100), (300, 300)], labels=[3, 4]), 0)
    linked = tracker.update(frame([(100, 100), (300, 300)], labels=[5, 4]), 1)
    assert linked.instances_id.tolist() == [2, 1]


def test_thresholds_are_those_of_the_detector(tracker):
    for thresholds, found in (
        (ScoreThresholds(), 1),
        (ScoreThresholds(link=0.1, init=0.3, draw=0.3), 0),
        (ScoreThresholds(link=0.01, init=0.02), 1),
    ):
        tracker.reset()
        tracker.set_thresholds(thresholds)
        assert len(tracker.update(frame([(100, 100)], scores=[0.05]), 0)) == found


def test_bytetrack_links_unsure_detections_and_starts_tracks_of_sure_ones(repo_root):
    compat.install()
    cfg = Config.fromfile(repo_root / "configs/_base_/trackers/bytetrack.py")
    tracker = MODELS.build(cfg.model.tracker)
    tracker.set_thresholds(ScoreThresholds(link=0.01, init=0.0, draw=0.1))
    tracker.update(frame([(100, 100)], scores=[0.5]), 0)
    linked = tracker.update(frame([(101, 100), (300, 300)], scores=[0.05, 0.05]), 1)
    assert linked.instances_id.tolist() == [0]


def test_thresholds_of_the_config_come_first(repo_root):
    compat.install()
    cfg = Config.fromfile(repo_root / "configs/_base_/trackers/sort.py").model.tracker
    cfg.tracker.obj_score_thr = 0.2
    tracker = MODELS.build(cfg)
    tracker.set_thresholds(ScoreThresholds(link=0.01))
    assert len(tracker.update(frame([(100, 100), (300, 300)], scores=[0.3, 0.1]), 0)) == 1


def test_empty_frames_and_new_videos(tracker):
    assert len(tracker.update(frame([]), 0)) == 0
    assert tracker.update(frame([(100, 100)]), 1).instances_id.tolist() == [0]
    assert len(tracker.update(frame([]), 2)) == 0
    tracker.reset()
    assert tracker.update(frame([(300, 300)]), 0).instances_id.tolist() == [0]


def test_equal_boxes_with_equal_scores_are_told_apart(tracker):
    for step in range(3):
        linked = tracker.update(frame([(100, 100), (100, 100)]), step)
    assert sorted(linked.instances_id.tolist()) == [0, 1]
    assert linked.embeds[:, 0].tolist() == [0, 1]


def test_a_box_without_area_is_linked_to_nothing(tracker):
    for step in range(3):
        found = frame([(100, 100), (300, 300), (0, 0)])
        found.bboxes[2] = torch.tensor([50.0, 60.0, 50.0, 60.0])
        linked = tracker.update(found, step)
        assert linked.embeds[:, 0].tolist() == [0, 1]
        assert linked.instances_id.tolist() == [0, 1]
