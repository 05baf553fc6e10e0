"""The association rule: recorded traces of the released tracker, and six hand-written boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from ovtrack.trackers import OVTracker

MODES = {
    "teta_bisoftmax": {},
    "tao_bisoftmax": dict(mode="ovtrack-tao"),
    "teta_cosine": dict(match_metric="cosine"),
    "teta_nocos": dict(match_with_cosine=False),
}


def frame(bboxes, scores=None, labels=None, embeds=None) -> InstanceData:
    n = len(bboxes)
    return InstanceData(
        bboxes=torch.tensor(bboxes, dtype=torch.float32).reshape(n, 4),
        scores=torch.linspace(0.4, 0.3, n) if scores is None else torch.tensor(scores),
        labels=torch.zeros(n, dtype=torch.long) if labels is None else torch.tensor(labels),
        embeds=torch.eye(4)[:n] * 8 if embeds is None else torch.as_tensor(embeds),
    )


@pytest.mark.parametrize("name", MODES)
def test_recorded_trace_is_reproduced(name, golden):
    trace = golden("tracker_trace.npz")
    tracker = OVTracker(match_score_thr=0.33, memo_frames=10, momentum_embed=0.4, **MODES[name])
    for call in range(40):
        bboxes = torch.from_numpy(trace[f"bboxes{call}"])
        if len(bboxes) == 0:
            continue  # the original does not call its tracker on empty frames
        instances = InstanceData(
            bboxes=bboxes[:, :4],
            scores=bboxes[:, 4],
            labels=torch.from_numpy(trace[f"labels{call}"]),
            embeds=torch.from_numpy(trace[f"embeds{call}"]),
            cls_embeds=torch.from_numpy(trace[f"cls_embeds{call}"]),
        )
        out = tracker.update(instances, int(trace[f"frame{call}"]))
        np.testing.assert_array_equal(out.instances_id, trace[f"{name}_ids{call}"])
        np.testing.assert_array_equal(out.labels, trace[f"{name}_labels{call}"])
        recorded = trace[f"{name}_bboxes{call}"]
        np.testing.assert_allclose(out.bboxes, recorded[:, :4], atol=1e-5)
        np.testing.assert_allclose(out.scores, recorded[:, 4], atol=1e-6)


BOXES = [[0, 0, 10, 10], [50, 0, 60, 10], [100, 0, 110, 10]]


def test_identity_follows_appearance_and_not_position():
    tracker = OVTracker(memo_frames=5)
    first = tracker.update(frame(BOXES), 0)
    swapped = tracker.update(frame(BOXES[::-1]), 1)
    assert first.instances_id.tolist() == [0, 1, 2]
    assert swapped.instances_id.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("gap", "expected"), [(4, 0), (5, 0), (6, 1)])
def test_a_gap_of_memo_frames_is_bridged_once(gap, expected):
    """Forgetting happens after matching, but an emptier frame in between also forgets."""
    tracker = OVTracker(memo_frames=5)
    tracker.update(frame(BOXES[:1]), 0)
    if gap > 5:
        tracker.update(frame(BOXES[1:2], embeds=torch.eye(4)[3:] * 8), gap - 1)
        expected = 2 if expected == 0 else 2
    out = tracker.update(frame(BOXES[:1]), gap)
    assert out.instances_id.tolist() == [expected]


def test_a_suppressed_box_still_suppresses():
    chain = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]
    out = OVTracker().update(frame(chain), 0)
    assert out.bboxes[:, 0].tolist() == [0]


def test_strong_detections_are_no_distractors():
    out = OVTracker().update(frame([[0, 0, 10, 10], [1, 0, 11, 10]], scores=[0.9, 0.8]), 0)
    assert len(out) == 2


def test_huge_embeddings_do_not_overflow():
    tracker = OVTracker()
    embeds = torch.eye(4)[:3] * 1e3
    tracker.update(frame(BOXES, embeds=embeds), 0)
    assert tracker.update(frame(BOXES, embeds=embeds), 1).instances_id.tolist() == [0, 1, 2]


def test_frames_without_detections_and_reset():
    tracker = OVTracker()
    empty = frame(BOXES)[torch.zeros(3, dtype=torch.bool)]
    assert len(tracker.update(empty, 0)) == 0
    tracker.update(frame(BOXES), 1)
    tracker.reset()
    assert tracker.update(frame(BOXES[:1]), 0).instances_id.tolist() == [0]


def test_memory_is_bounded_by_living_tracks():
    tracker = OVTracker(memo_frames=3, match_score_thr=0.99)
    generator = torch.Generator().manual_seed(0)
    for t in range(50):
        tracker.update(frame(BOXES, embeds=torch.randn(3, 4, generator=generator)), t)
    assert len(tracker.memory) <= 9


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="ovtrack-teta"):
        OVTracker(mode="teta")
