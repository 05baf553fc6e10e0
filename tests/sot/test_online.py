"""Following objects frame by frame: several, anew, lost, tiny, and what is refused."""

from __future__ import annotations

import json
from copy import deepcopy

import cv2
import numpy as np
import pytest
import torch

from tests.places import ROOT
from tests.sot.networks import build
from tests.sot.videos import BOXES, follow, moving_noise
from vovtrack.cli.main import main
from vovtrack.engine.configs import read_config
from vovtrack.engine.fuse import mix_precision
from vovtrack.engine.load import build_model, build_online
from vovtrack.errors import InputError
from vovtrack.registry import MODELS
from vovtrack.sot.online import DiMPTracker
from vovtrack.structures import Target

OPEN = dict(
    side=96,
    extent=4.0,
    localization=dict(not_found=-1.0),
    views=dict(blurs=(), rotations=(), shifts=()),
    learning=dict(first_steps=2, memory=5),
    refinement=dict(random_boxes=4, steps=2),
)
"""Settings for small search areas, in which a network without weights believes what it sees."""


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build("dimp18").eval()


@pytest.fixture(scope="module")
def video():
    return moving_noise()


def test_objects_do_not_change_each_other(model, video):
    together = follow(DiMPTracker(model, **OPEN), video, BOXES)
    assert [tracks.track_ids.tolist() for tracks in together] == [[0, 1]] * len(video)
    np.testing.assert_allclose(together[0].bboxes, BOXES, atol=1e-4)
    tracker = DiMPTracker(model, **OPEN)
    tracker.start(video[0], Target(boxes=BOXES))
    tracker.drop([0])
    for tracks, frame in zip(together, video, strict=True):
        alone = tracker.step(frame)
        assert alone.track_ids.tolist() == [1]
        np.testing.assert_allclose(alone.bboxes[0], tracks.bboxes[1], atol=0.02)
        np.testing.assert_allclose(alone.scores[0], tracks.scores[1], atol=1e-4)
    assert not np.allclose(together[-1].bboxes, BOXES, atol=0.5)


def test_objects_of_all_sizes_are_followed_as_alone(model, video):
    """Also where the parts of the maps that are looked at differ in place and size."""
    options = OPEN | dict(side=192, learning=dict(first_steps=2, memory=6, every=2))
    boxes = [[20, 60, 100, 76], [110, 20, 124, 90], [60, 40, 66, 46]]
    together = follow(DiMPTracker(model, **options), video[:4], boxes)
    for track_id, box in enumerate(boxes):
        tracker = DiMPTracker(model, **options)
        tracker.start(video[0], Target(boxes=[box], box_ids=[track_id]))
        for tracks, frame in zip(together, video, strict=False):
            alone = tracker.step(frame)
            np.testing.assert_allclose(alone.bboxes[0], tracks.bboxes[track_id], atol=0.02)
            np.testing.assert_allclose(alone.scores[0], tracks.scores[track_id], atol=1e-4)
    assert not np.allclose(together[-1].bboxes, boxes, atol=0.5)


def test_a_seed_gives_the_same_boxes_again(model, video):
    first, again = (follow(DiMPTracker(model, **OPEN), video, BOXES) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.bboxes, other.bboxes)
    other = follow(DiMPTracker(model, seed=7, **OPEN), video, BOXES)
    assert not np.allclose(first[-1].bboxes, other[-1].bboxes)


@pytest.mark.parametrize("kind", ["HingeOptimizer", "SoftmaxOptimizer"])
def test_other_optimisers(model, video, kind):
    """Of super DiMP simple, and of PrDiMP, whose scores are probabilities."""
    other = deepcopy(model)
    other.classifier.filter_optimizer = MODELS.build(dict(type=kind))
    softmax = kind == "SoftmaxOptimizer"
    learning = OPEN["learning"] | dict(every=1, label_sigma=None if softmax else 1 / 16)
    tracker = DiMPTracker(other, **OPEN | dict(learning=learning, softmax=softmax))
    boxes = [tracks.bboxes for tracks in follow(tracker, video, BOXES)]
    assert not np.allclose(boxes[0], boxes[-1], atol=0.5)
    for target in tracker.followed.values():
        assert target.sight.steps in (tracker.learning.steps, 1)
        assert target.filter.memory.count == tracker.views.samples + len(video) - 1
        assert (abs(target.sight.scores.sum() - 1) < 1e-4) == softmax


def test_mixed_precision_is_near(model, video):
    """Of the backbone alone: filters and boxes are learned and fitted in full."""
    mixed = mix_precision(deepcopy(model), "bf16")
    exact, near = (follow(DiMPTracker(m, **OPEN), video[:2], BOXES) for m in (model, mixed))
    np.testing.assert_allclose(near[1].bboxes, exact[1].bboxes, atol=3)
    assert not np.array_equal(near[1].bboxes, exact[1].bboxes)


def test_objects_come_go_and_begin_anew(model, video):
    tracker = DiMPTracker(model, **OPEN)
    tracker.start(video[0], Target(boxes=BOXES[:1]))
    tracker.step(video[0])
    assert tracker.add([[10, 20, 40, 44]]) == [1]
    tracks = tracker.step(video[1])
    assert tracks.track_ids.tolist() == [0, 1]
    np.testing.assert_allclose(tracks.bboxes[1], [10, 20, 40, 44], atol=1e-4)
    assert tracker.add([BOXES[1]], ids=[0]) == [0]
    tracks = tracker.step(video[2])
    np.testing.assert_allclose(tracks.bboxes[0], BOXES[1], atol=1e-4)
    assert tracks.scores[0] == 1 and tracker.followed[0].age == 0
    tracker.drop([0, 99])
    assert tracker.step(video[3]).track_ids.tolist() == [1]
    tracker.drop([1])
    assert len(tracker.step(video[4])) == 0
    tracks = follow(tracker, video[:1], BOXES[1:])[0]
    assert tracks.frame_id == 0 and tracks.track_ids.tolist() == [0]


def test_a_lost_object_stays_where_it_was(model, video):
    tracker = DiMPTracker(model, **{**OPEN, "localization": dict(not_found=0.9)})
    for tracks in follow(tracker, video, BOXES)[1:]:
        np.testing.assert_allclose(tracks.bboxes, BOXES, atol=1e-4)
        assert (tracks.scores >= 0).all() and len(tracks.above(tracker.draw_threshold)) == 0
    assert tracker.followed[0].filter.memory.count == tracker.views.samples


@pytest.mark.parametrize(
    "box", [[50, 40, 51, 41], [-30, -20, 9, 12], [0, 0, 160, 120], [80, 10, 82, 110]]
)
def test_tiny_large_thin_and_cut_objects(model, video, box):
    frames = [*video, np.zeros_like(video[0]), np.full_like(video[0], 255)]
    for tracks in follow(DiMPTracker(model, **OPEN), frames, [box]):
        assert np.isfinite(tracks.bboxes).all() and np.isfinite(tracks.scores).all()
        assert (tracks.bboxes[:, 2:] > tracks.bboxes[:, :2]).all()


def test_what_is_refused(model, video):
    tracker = DiMPTracker(model, **OPEN)
    with pytest.raises(InputError, match="--box 320,180,80,60"):
        tracker.start(video[0], None)
    with pytest.raises(InputError, match="cannot use points"):
        tracker.start(video[0], Target(points=[[1, 2]]))
    with pytest.raises(InputError, match="lies outside of frames of 160x120"):
        tracker.start(video[0], Target(boxes=[[170, 0, 180, 10]]))
    tracker.start(None, Target(boxes=[[170, 0, 180, 10]]))
    with pytest.raises(InputError, match="lies outside of frames of 160x120"):
        tracker.step(video[0])
    follow(tracker, video[:1], BOXES)
    with pytest.raises(InputError, match="lies outside of frames of 160x120"):
        tracker.add([[0, 130, 10, 140]])
    with pytest.raises(InputError, match="160x100 pixels, but the video began with 160x120"):
        tracker.step(video[1][:100])
    with pytest.raises(InputError, match="expected a uint8 array"):
        tracker.step(video[1].astype(np.float32))
    assert tracker.step(video[1]).frame_id == 1
    with pytest.raises(InputError, match="A memory of 3 samples cannot hold the 4 of the first"):
        DiMPTracker(model, **{**OPEN, "learning": dict(memory=3)})


@pytest.mark.parametrize("path", sorted((ROOT / "configs/sot").glob("*.py")), ids=lambda p: p.stem)
def test_configs_give_trackers(path):
    cfg = read_config(path)
    with torch.device("meta"):
        tracker = build_online(cfg, build_model(cfg))
    settings = json.loads(json.dumps(tracker.settings))
    for name, value in cfg.online.to_dict().items():
        if name != "type":
            found = settings[name]
            expected = json.loads(json.dumps(value))
            assert found == (found | expected if isinstance(value, dict) else expected)
    if isinstance(tracker, DiMPTracker):
        asks_for_labels = tracker.model.classifier.filter_optimizer.target == "train_label"
        assert asks_for_labels == (tracker.learning.label_sigma is not None)


def test_boxes_of_the_command_line(model, video, tmp_path, capsys):
    """Whose network has its norms folded, which moves no box."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, frame in enumerate(video[:3]):
        cv2.imwrite(str(frames / f"{number}.png"), frame[..., ::-1])
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "dimp18.pth")
    config = tmp_path / "small.json"
    config.write_text(json.dumps({"_base_": str(ROOT / "configs/sot/dimp18.py"), "online": OPEN}))
    words = ["--config", str(config), "--checkpoint", str(tmp_path / "dimp18.pth")]
    words += ["--box", "40,30,30,30", "--box", "90,50,40,26", "--device", "cpu"]
    out = tmp_path / "tracks.json"
    assert main(["track", str(frames), *words, "--json", str(out)]) == 0
    assert "3 frames, 2 tracks" in capsys.readouterr().out
    written = json.loads(out.read_text())["frames"]
    wanted = follow(build_online(read_config(config), model), video[:3], BOXES)
    for record, tracks in zip(written, wanted, strict=True):
        assert [found["track_id"] for found in record["tracks"]] == [0, 1]
        boxes = [found["bbox"] for found in record["tracks"]]
        np.testing.assert_allclose(boxes, tracks.bboxes, atol=0.1)
    assert not np.allclose(boxes, BOXES, atol=0.5)
