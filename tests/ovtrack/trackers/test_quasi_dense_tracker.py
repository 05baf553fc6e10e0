"""QDTrack's association rule on hand-written boxes; its traces are in tests/ovtrack/qdtrack."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

from ovtrack.trackers import QuasiDenseTracker
from vovtrack.errors import InputError
from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds
from vovtrack.trackers import link

PUBLISHED = dict(init_score_thr=0.7, obj_score_thr=0.3)


def frame(*objects: tuple[float, float, float, int], labels=None) -> InstanceData:
    """Detections of 20 x 40 pixels: x, y, score, and the number of the embedding."""
    x, y, scores, kinds = torch.tensor(objects, dtype=torch.float).reshape(-1, 4).unbind(dim=1)
    return InstanceData(
        bboxes=torch.stack([x, y, x + 20, y + 40], dim=1),
        scores=scores,
        labels=torch.zeros_like(kinds).long() if labels is None else torch.tensor(labels),
        embeds=10 * torch.eye(8)[kinds.long()],
    )


def tracked(tracker: QuasiDenseTracker, found: InstanceData, frame_id: int) -> list[int]:
    return link(tracker, found, frame_id).instances_id.tolist()


def decided(tracker: QuasiDenseTracker, found: InstanceData, frame_id: int) -> list[int]:
    """Ids in the order of scores, negative ones too."""
    out = tracker.update(found, frame_id)
    return out.instances_id[out.scores.argsort(descending=True)].tolist()


def test_the_script_of_thirteen_frames():
    tracker = QuasiDenseTracker(**PUBLISHED)
    first = frame(
        (0, 0, 0.9, 0), (100, 0, 0.8, 1), (200, 0, 0.6, 2), (300, 0, 0.2, 3), labels=[2, 2, 0, 2]
    )
    assert tracked(tracker, first, 0) == [0, 1]
    assert [len(kept["scores"]) for kept in tracker.backdrops] == [2]
    second = frame(
        (5, 0, 0.85, 0), (105, 0, 0.35, 1), (205, 0, 0.95, 2), (300, 0, 0.9, 3), (6, 1, 0.25, 0),
        labels=[2, 2, 0, 2, 2],
    )  # fmt: skip
    assert tracked(tracker, second, 1) == [0, 1, 2, 3]
    assert tracked(tracker, frame((105, 0, 0.31, 1), labels=[2]), 2) == [1]
    third = frame((5, 0, 0.29, 0), (400, 0, 0.75, 4), labels=[2, 2])
    assert decided(tracker, third, 3) == [4, -2]
    assert tracked(tracker, frame((5, 0, 0.9, 0), labels=[2]), 12) == [0]
    assert tracker.memory.ids.tolist() == [0, 4]


def test_tracks_come_in_order_of_birth_and_detections_in_any():
    tracker = QuasiDenseTracker(**PUBLISHED)
    tracker.update(frame((0, 0, 0.9, 0), (100, 0, 0.8, 1)), 0)
    out = tracker.update(frame((300, 0, 0.1, 3), (5, 0, 0.75, 0), (105, 0, 0.95, 1)), 1)
    assert out.instances_id.tolist() == [0, 1, -1]
    assert out.bboxes[:, 0].tolist() == [5, 105, 300]


def test_equal_scores_keep_their_order():
    tracker = QuasiDenseTracker(**PUBLISHED)
    for t in range(2):
        found = frame(*((100 * i, 0, 0.9, i) for i in range(8)))
        assert tracker.update(found, t).bboxes[:, 0].tolist() == [100 * i for i in range(8)]


def test_a_weak_detection_is_dropped_by_less_overlap():
    overlapping = [(0, 0, 0.9, 0), (8, 0, 0.5, 1)]
    assert len(QuasiDenseTracker(**PUBLISHED).update(frame(*overlapping), 0)) == 2
    overlapping[1] = (8, 0, 0.29, 1)
    assert len(QuasiDenseTracker(**PUBLISHED).update(frame(*overlapping), 0)) == 1
    same = frame((0, 0, 0.9, 0), (0, 0, 0.8, 1))
    assert len(QuasiDenseTracker(**PUBLISHED).update(same, 0)) == 1
    every = QuasiDenseTracker(**PUBLISHED, nms_class_iou_thr=1)
    assert len(every.update(same, 0)) == 2


@pytest.mark.parametrize(("backdrop_frames", "expected"), [(0, [0]), (1, [1])])
def test_a_backdrop_keeps_a_new_object_from_an_old_track(backdrop_frames, expected):
    tracker = QuasiDenseTracker(**PUBLISHED, memo_backdrop_frames=backdrop_frames)
    assert tracked(tracker, frame((0, 0, 0.9, 0), (200, 0, 0.6, 1)), 0) == [0]
    # Like the first track it is not, but without the backdrop there is nothing else to be like.
    assert tracked(tracker, frame((205, 0, 0.9, 1)), 1) == expected


def test_a_frame_without_detections_empties_the_backdrops_and_ages_tracks():
    tracker = QuasiDenseTracker(**PUBLISHED, memo_tracklet_frames=3)
    tracker.update(frame((0, 0, 0.9, 0), (100, 0, 0.5, 1)), 0)
    assert len(tracker.update(frame(), 1)) == 0
    assert sum(len(kept["scores"]) for kept in tracker.backdrops) == 0
    assert len(tracker.memory) == 1
    tracker.update(frame(), 3)
    assert len(tracker.memory) == 0
    assert tracked(tracker, frame((0, 0, 0.9, 0)), 4) == [1]


def test_two_trackers_count_for_themselves_and_reset_begins_anew():
    first, second = QuasiDenseTracker(**PUBLISHED), QuasiDenseTracker(**PUBLISHED)
    found = frame((0, 0, 0.9, 0), (100, 0, 0.5, 1))
    assert [tracked(tracker, found, 0) for tracker in (first, second)] == [[0], [0]]
    second.reset()
    assert tracked(first, frame((0, 0, 0.9, 0), (300, 0, 0.9, 5)), 1) == [0, 1]
    assert not second.backdrops and tracked(second, frame((0, 0, 0.9, 7)), 0) == [0]


@pytest.mark.parametrize("with_cats", [True, False])
def test_classes_gate_links(with_cats):
    tracker = QuasiDenseTracker(**PUBLISHED, with_cats=with_cats)
    tracker.update(frame((0, 0, 0.9, 0), labels=[1]), 0)
    assert tracked(tracker, frame((0, 0, 0.9, 0), labels=[2]), 1) == ([1] if with_cats else [0])


@pytest.mark.parametrize("metric", ["bisoftmax", "softmax", "cosine"])
@pytest.mark.parametrize("assignment", ["greedy", "hungarian"])
def test_identity_follows_appearance(metric, assignment):
    tracker = QuasiDenseTracker(**PUBLISHED, match_metric=metric, assignment=assignment)
    tracker.update(frame((0, 0, 0.9, 0), (100, 0, 0.8, 1), (200, 0, 0.75, 2)), 0)
    swapped = frame((0, 0, 0.9, 1), (100, 0, 0.8, 2), (200, 0, 0.2, 0))
    assert decided(tracker, swapped, 1) == [1, 2, -2]


def test_optimal_assignment_links_what_greedy_loses():
    def ids(assignment: str) -> list[int]:
        tracker = QuasiDenseTracker(**PUBLISHED, match_metric="cosine", assignment=assignment)
        tracker.update(frame((0, 0, 0.9, 0), (100, 0, 0.8, 1)), 0)
        found = frame((0, 0, 0.9, 0), (100, 0, 0.8, 0))
        found.embeds[0, 1] = 8.0
        return decided(tracker, found, 1)

    assert ids("greedy") == [0, 2]
    assert ids("hungarian") == [1, 0]


def test_open_thresholds_are_those_of_the_detector(repo_root):
    config = Config.fromfile(repo_root / "configs/_base_/trackers/qdtrack.py").model.tracker
    tracker = MODELS.build(config)
    assert isinstance(tracker, QuasiDenseTracker), "not that of mmdet"
    tracker.set_thresholds(ScoreThresholds(link=0.01, init=0.02))
    found = frame((0, 0, 0.03, 0), (100, 0, 0.015, 1))
    assert [tracked(tracker, found, t) for t in range(2)] == [[0], [0]]
    assert decided(tracker, frame((0, 0, 0.005, 0)), 2) == [-2]


@pytest.mark.parametrize("wrong", [dict(match_metric="dot"), dict(assignment="best")])
def test_unknown_choices_are_refused(wrong):
    with pytest.raises(InputError, match="expected one of"):
        QuasiDenseTracker(**wrong)
