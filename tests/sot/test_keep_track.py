"""Following a target among others that look like it: what is asked when, and what is certain."""

from __future__ import annotations

from copy import deepcopy

import cv2
import numpy as np
import pytest
import torch

from tests.sot.networks import build
from tests.sot.test_online import BOXES, OPEN, follow
from vovtrack.cli.main import main
from vovtrack.engine.weights.checkpoint import load_weights
from vovtrack.registry import MODELS
from vovtrack.sot.identities import WITHOUT_DOUBT
from vovtrack.sot.keep_track import KeepTrackTracker, TargetAmongOthers
from vovtrack.sot.localization import Flag
from vovtrack.sot.models.keep_track import CandidateNet, KeepTrack
from vovtrack.sot.sample_memory import SampleMemory
from vovtrack.structures import Target

SMALL = dict(
    backbone=dict(type="TwoStages", channels=(8, 12)),
    classifier=dict(
        type="TargetClassifier", in_channels=12, channels=8, optimizer=dict(type="HingeOptimizer")
    ),
    iou_net=dict(type="IoUNet", in_channels=(8, 12), channels=8),
)
MATCHED = dict(
    type="CandidateNet",
    in_channels=12,
    channels=16,
    matcher=dict(type="CandidateMatcher", channels=16, encoder_channels=(8,)),
)
LOOSE = OPEN | dict(
    localization=dict(not_found=-1.0),
    learning=OPEN["learning"] | dict(label_sigma=1 / 16, every=1),
    candidates=dict(threshold=-10.0, sure=-10.0),
)
"""Settings by which a network without weights always has candidates."""


@MODELS.register_module()
class TwoStages(torch.nn.Sequential):
    """Two maps of strides 8 and 16."""

    def __init__(self, channels):
        fine, coarse = channels
        super().__init__(
            torch.nn.Conv2d(3, fine, 9, stride=8, padding=4),
            torch.nn.Conv2d(fine, coarse, 3, stride=2, padding=1),
        )

    def forward(self, images):
        fine = self[0](images).relu()
        return fine, self[1](fine).relu()


@pytest.fixture(scope="module")
def model() -> KeepTrack:
    torch.manual_seed(0)
    return MODELS.build(dict(type="KeepTrack", candidates=MATCHED, **SMALL)).eval()


@pytest.fixture(scope="module")
def video():
    """Noise that moves."""
    random = np.random.default_rng(0)
    whole = cv2.GaussianBlur(random.integers(0, 255, (140, 220, 3), dtype=np.uint8), (0, 0), 2)
    return [np.ascontiguousarray(whole[t : t + 120, 2 * t : 2 * t + 160]) for t in range(5)]


def test_descriptors_are_those_of_the_convolution():
    torch.manual_seed(0)
    net: CandidateNet = MODELS.build(MATCHED)
    feat = torch.rand(2, 12, 6, 7)
    cells = torch.stack(torch.meshgrid(torch.arange(7), torch.arange(8), indexing="ij"), dim=-1)
    found = net.describe(feat, cells.flatten(0, 1).expand(2, -1, -1))
    torch.testing.assert_close(found.view(2, 16, 7, 8), net.descriptor(feat))


def test_targets_do_not_change_each_other(model, video):
    tracker = KeepTrackTracker(model, **LOOSE)
    together = follow(tracker, video, BOXES)
    assert all(isinstance(target, TargetAmongOthers) for target in tracker.followed.values())
    assert all(len(target.peaks.scores) > 1 for target in tracker.followed.values())
    tracker.start(video[0], Target(boxes=BOXES))
    tracker.drop([0])
    for tracks, frame in zip(together, video, strict=True):
        alone = tracker.step(frame)
        np.testing.assert_allclose(alone.bboxes[0], tracks.bboxes[1], atol=0.02)
        np.testing.assert_allclose(alone.scores[0], tracks.scores[1], atol=1e-4)


def test_the_network_is_asked_only_in_doubt(model, video):
    """Not in the first frame, nor where one sure candidate follows another."""
    asked = []
    hook = model.candidates.matcher.register_forward_hook(lambda *call: asked.append(call[1][2]))
    try:
        follow(KeepTrackTracker(model, **LOOSE), video, BOXES[:1])
        assert len(asked) == len(video) - 2, "from the second frame after the first on"
        assert set(asked) == {(160, 120)}, "width before height, as released"
        asked.clear()
        settings = LOOSE | dict(candidates=LOOSE["candidates"] | dict(legacy_size_order=False))
        follow(KeepTrackTracker(model, **settings), video[:3], BOXES[:1])
        assert asked == [(120, 160)]
        asked.clear()
        lone = deepcopy(model)
        lone.candidates.window = 99
        lone.candidates.matcher.register_forward_hook(lambda *call: asked.append(call))
        follow(KeepTrackTracker(lone, **LOOSE), video, BOXES[:1])
        assert asked == []
    finally:
        hook.remove()


def test_without_candidates_the_highest_peak_decides_and_identities_begin_anew(model, video):
    settings = LOOSE | dict(candidates=dict(threshold=1e6))
    tracker = KeepTrackTracker(model, **settings)
    follow(tracker, video, BOXES[:1])
    target = tracker.followed[0]
    assert target.identities is None and target.peaks is None and target.matches is None
    assert target.sight.place.flag is not Flag.NOT_FOUND
    for first_frames, identity in ((9, WITHOUT_DOUBT), (1, WITHOUT_DOUBT + 1)):
        settings = LOOSE | dict(candidates=LOOSE["candidates"] | dict(first_frames=first_frames))
        tracker = KeepTrackTracker(model, **settings)
        follow(tracker, video[:2], BOXES[:1])
        assert tracker.followed[0].identities.target == identity


def test_a_lost_target_scores_nothing_and_is_looked_for_in_a_larger_area(model, video):
    """No partner is believed, and no other candidate is good enough."""
    settings = LOOSE | dict(identities=dict(probability=2.0, probability_of_low=2.0, found=1e6))
    tracker = KeepTrackTracker(model, **settings)
    found, lost = follow(tracker, video[:2], BOXES[:1])[-1], tracker.step(video[2])
    target = tracker.followed[0]
    assert target.sight.place.flag is Flag.NOT_FOUND
    np.testing.assert_array_equal(lost.bboxes, found.bboxes)
    assert lost.scores.tolist() == [0] and KeepTrackTracker(model).draw_threshold > 0
    assert target.filter.memory.count == tracker.views.samples + 1, "it is not learned from"
    assert target.scales.lost == 1 and target.placement.widened is not None


def test_doubtful_samples_count_for_nothing_and_are_replaced_first():
    memory = SampleMemory(4, 1, 0.25)
    for certainty in (0.9, 0.4, 0.8):
        memory.insert(0.01, certainty)
    before = memory.weights.clone()
    trusted = memory.trusted(0.5)
    wanted = before * torch.tensor([1, 0.9, 0, 0.8])
    torch.testing.assert_close(trusted, wanted)
    assert memory.certainties.tolist() == pytest.approx([1, 0.9, 0, 0.8]), "and that for good"
    assert memory.insert(0.01, 0.7) == 2
    torch.testing.assert_close(memory.weights.sum(), torch.tensor(1.0))


def test_a_published_file_is_added_to_that_of_its_tracker(recorded, tmp_path, capsys):
    """Its backbone is left; its tracker is converted beforehand."""
    names = ("super_dimp_simple", "keep_track")
    for name in names:
        shapes = recorded.json(f"checkpoint_keys_{name}.json")
        weights = {key: torch.zeros(shape, dtype=torch.float16) for key, shape in shapes.items()}
        torch.save({"net": weights}, tmp_path / f"{name}.pth")
    tracker, whole, again = (tmp_path / f"{name}.safetensors" for name in ("dimp", "all", "again"))
    sources = [str(tmp_path / f"{name}.pth") for name in names]
    assert main(["convert", sources[0], str(tracker)]) == 0
    assert main(["convert", sources[1], str(whole), "--onto", str(tracker)]) == 0
    with torch.device("meta"):
        own = build("keep_track").state_dict().keys()
    assert load_weights(whole).keys() == own
    capsys.readouterr()
    assert main(["convert", sources[1], str(again), "--onto", str(whole)]) != 0
    assert "--onto is for other parts of the model" in capsys.readouterr().err
    assert not again.exists()
