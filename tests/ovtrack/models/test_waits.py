"""How often the host waits for the device while it tracks a frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ovtrack.online import OVOnlineTracker
from tests.fake_cuda import fake_cuda
from tests.pipelines import resized_to
from tests.waits import Waits
from vovtrack.engine.run import load_config
from vovtrack.registry import MODELS
from vovtrack.synthetic import render_clip
from vovtrack.trackers import IoUTracker

ALLOWED = 3
"""Suppression of proposals, suppression of detections, and the results."""


def make_tracker(repo_root) -> OVOnlineTracker:
    """A small tracker with both branches and random weights, that finds something."""
    cfg = load_config(repo_root / "configs/mini/ovtrack.py").model
    cfg.detector.roi_head.bbox_head.image_branch = True
    cfg.detector.roi_head.fusion = dict(type="GeometricScoreFusion", novel_mask="novel")
    cfg.detector.roi_head.score_rule.update(detect=0.0, link=0.0)
    cfg.keep_observations = 3
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.set_classes(["a", "b", "c"], torch.randn(3, 64))
    model.detector.roi_head.classifier.competitors = []
    return OVOnlineTracker(model, resized_to(128, 96))


@pytest.fixture
def frames() -> list[np.ndarray]:
    return list(render_clip(seed=0, num_frames=3, width=128, height=96)[0])


def test_a_frame_waits_three_times(repo_root, frames):
    tracker = make_tracker(repo_root)
    expected = [tracker.step(frame) for frame in frames]
    tracker.reset()
    with fake_cuda() as device:
        tracker.model.to(device)
        tracker.step(frames[0])
        for frame, known in zip(frames[1:], expected[1:], strict=True):
            with Waits() as waits:
                tracks = tracker.step(frame)
            assert len(waits.found) <= ALLOWED, waits.found
            assert len(tracks) > 3
            np.testing.assert_array_equal(tracks.track_ids, known.track_ids)
            np.testing.assert_allclose(tracks.bboxes, known.bboxes, atol=1e-3)


def test_trackers_without_appearance_get_no_embeddings(repo_root, frames):
    tracker = make_tracker(repo_root)
    embedded = []
    tracker.model.track_head.register_forward_hook(lambda *_: embedded.append(1))
    tracker.step(frames[0])
    tracker.model.keep_observations = 0
    tracker.step(frames[1])
    assert len(embedded) == 2
    tracker.model.tracker = IoUTracker()
    assert len(tracker.step(frames[2])) > 0
    assert len(embedded) == 2


@pytest.mark.gpu
def test_a_frame_waits_three_times_on_a_gpu(repo_root, frames, recwarn):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    tracker = make_tracker(repo_root)
    tracker.model.cuda()
    tracker.step(frames[0])
    torch.cuda.set_sync_debug_mode("warn")
    try:
        recwarn.clear()
        tracker.step(frames[1])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert 0 < len(recwarn) <= ALLOWED, [str(w.message) for w in recwarn]
