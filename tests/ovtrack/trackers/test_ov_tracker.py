"""The association rule: recorded traces of the released tracker, and six hand-written boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

from ovtrack.trackers import OVTracker
from vovtrack.registry import MODELS
from vovtrack.structures.thresholds import ScoreThresholds

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
    tracker = OVTracker(
        match_score_thr=0.33, memo_frames=10, momentum_embed=0.4, distractor_score_thr=0.5,
        **MODES[name],
    )  # fmt: skip
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


@pytest.mark.parametrize(
    ("others_at", "back_at", "expected"),
    [
        (None, 4, 0),
        # Forgetting happens after matching, so that without frames in between any gap is bridged.
        (None, 5, 0),
        (None, 60, 0),
        # A frame of something else forgets what was last seen memo_frames before it.
        (4, 60, 0),
        (5, 6, 2),
    ],
)
def test_which_gap_is_bridged(others_at, back_at, expected):
    tracker = OVTracker(memo_frames=5)
    tracker.update(frame(BOXES[:1]), 0)
    if others_at is not None:
        other = tracker.update(frame(BOXES[1:2], embeds=torch.eye(4)[3:] * 8), others_at)
        assert other.instances_id.tolist() == [1]
    out = tracker.update(frame(BOXES[:1]), back_at)
    assert out.instances_id.tolist() == [expected]


@pytest.mark.parametrize(("others_at", "expected"), [(9, 0), (10, 2)])
def test_a_track_is_forgotten_after_ten_frames_by_default(others_at, expected):
    tracker = OVTracker()
    tracker.update(frame(BOXES[:1]), 0)
    tracker.update(frame(BOXES[1:2], embeds=torch.eye(4)[3:] * 8), others_at)
    out = tracker.update(frame(BOXES[:1]), others_at + 1)
    assert out.instances_id.tolist() == [expected]


def test_a_suppressed_box_still_suppresses():
    chain = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]
    out = OVTracker().update(frame(chain), 0)
    assert out.bboxes[:, 0].tolist() == [0]


OVERLAPPING = [[0, 0, 10, 10], [1, 0, 11, 10]]


@pytest.mark.parametrize(
    ("thresholds", "own", "kept"),
    [
        (ScoreThresholds(), None, 1),
        (ScoreThresholds(distractor=0.5), None, 2),
        (ScoreThresholds(distractor=0.8), None, 1),
        (ScoreThresholds(distractor=0.5), 0.85, 1),
        (ScoreThresholds(), 0.5, 2),
    ],
)
def test_how_strong_a_distractor_may_be(thresholds, own, kept):
    tracker = OVTracker(distractor_score_thr=own)
    tracker.set_thresholds(thresholds)
    assert len(tracker.update(frame(OVERLAPPING, scores=[0.9, 0.8]), 0)) == kept


@pytest.mark.parametrize("own", [None, 0.35])
def test_weak_detections_are_not_linked(own):
    tracker = OVTracker(obj_score_thr=own)
    tracker.set_thresholds(ScoreThresholds(link=0.35 if own is None else 0.0))
    tracker.update(frame(BOXES, scores=[0.9, 0.8, 0.7]), 0)
    out = tracker.update(frame(BOXES, scores=[0.36, 0.35, 0.34]), 1)
    assert out.instances_id.tolist() == [0, 1, 3]


@pytest.mark.parametrize("own", [None, 0.5])
def test_weak_detections_start_no_track(own):
    tracker = OVTracker(init_score_thr=own)
    tracker.set_thresholds(ScoreThresholds(init=0.5 if own is None else 0.0))
    out = tracker.update(frame(BOXES, scores=[0.6, 0.5, 0.4]), 0)
    assert out.instances_id.tolist() == [0, -1, -1]


def test_the_score_of_a_matched_detection_is_smoothed_inside_a_class():
    scores = {}
    for rate in (0.25, 0.75):
        tracker = OVTracker(mode="ovtrack-tao", momentum_obj_score=rate)
        tracker.update(frame(BOXES[:1], scores=[0.4]), 0)
        for t in (1, 2):
            out = tracker.update(frame(BOXES[:1], scores=[0.8]), t)
        scores[rate] = float(out.scores[0])
    # The rate is the weight of the new score, and what was smoothed is remembered.
    assert scores[0.25] == pytest.approx(0.25 * 0.8 + 0.75 * (0.25 * 0.8 + 0.75 * 0.4))
    assert scores[0.75] == pytest.approx(0.75 * 0.8 + 0.25 * (0.75 * 0.8 + 0.25 * 0.4))


def test_cosine_is_gated_by_the_class_embeddings():
    tracker = OVTracker(match_metric="cosine", contrastive_thr=0.5)
    assert tracker.fields == ("embeds", "cls_embeds")
    classes = torch.eye(3)
    first = frame(BOXES)
    first.cls_embeds = classes
    tracker.update(first, 0)
    second = frame(BOXES)
    second.cls_embeds = classes[[0, 2, 2]]
    assert tracker.update(second, 1).instances_id.tolist() == [0, 3, 2]


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


def test_qdtrack_on_tao_is_its_formulas(repo_root):
    config = Config.fromfile(repo_root / "configs/_base_/trackers/qdtrack_tao.py").model.tracker
    tracker = MODELS.build(config)
    generator = torch.Generator().manual_seed(0)
    memory = torch.randn(3, 4, generator=generator)
    first = tracker.update(frame(BOXES, embeds=memory, labels=[0, 0, 1]), 0)
    embeds = memory + 0.1 * torch.randn(3, 4, generator=generator)
    labels = torch.tensor([0, 1, 1])
    second = tracker.update(frame(BOXES, embeds=embeds, labels=labels.tolist()), 1)

    same = labels[:, None] == torch.tensor([0, 0, 1])
    exp = (embeds @ memory.T).exp() * same
    softmax = (exp / (exp.sum(1, keepdim=True) + 1e-6) + exp / (exp.sum(0) + 1e-6)) / 2
    cosine = torch.cosine_similarity(embeds[:, None], memory, dim=2) * same
    scores = (softmax + cosine) / 2
    expected, taken = [], set()
    for row in scores:
        best = max((j for j in range(3) if j not in taken), key=lambda j: float(row[j]))
        expected.append(best if row[best] > 0.5 else 3 + sum(old > 2 for old in expected))
        taken.add(expected[-1])
    assert second.instances_id.tolist() == expected and len({0, 1, 2} & set(expected)) > 0
    for own, score, before in zip(expected, second.scores, [0.4, 0.35, 0.3], strict=True):
        old = first.scores[own] if own < 3 else before
        assert score == pytest.approx(float(old + before) / 2)


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="ovtrack-teta"):
        OVTracker(mode="teta")
