"""ATOM frame by frame: several objects, seeds, memory, and its state."""

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
from vovtrack.engine.load import build_online
from vovtrack.errors import InputError
from vovtrack.sot.atom import ATOMTracker
from vovtrack.sot.projected_filter import ProjectedFilter
from vovtrack.structures import Target

OPEN = dict(
    side=96,
    extent=4.0,
    localization=dict(not_found=-99.0),
    views=dict(blurs=(), rotations=(), shifts=(), dropouts=2),
    learning=dict(first_steps=2, first_iterations=4, memory=5, channels=8, every=2),
    refinement=dict(random_boxes=4, steps=2),
)
"""Settings for small search areas, in which a network without weights believes what it sees."""


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build("atom").eval()


@pytest.fixture(scope="module")
def video():
    return moving_noise()


def test_objects_do_not_change_each_other(model, video):
    together = follow(ATOMTracker(model, **OPEN), video, BOXES)
    np.testing.assert_allclose(together[0].bboxes, BOXES, atol=1e-4)
    tracker = ATOMTracker(model, **OPEN)
    tracker.start(video[0], Target(boxes=BOXES))
    tracker.drop([0])
    for tracks, frame in zip(together, video, strict=True):
        alone = tracker.step(frame)
        assert alone.track_ids.tolist() == [1]
        np.testing.assert_allclose(alone.bboxes[0], tracks.bboxes[1], atol=0.02)
        np.testing.assert_allclose(alone.scores[0], tracks.scores[1], atol=1e-3)
    assert not np.allclose(together[-1].bboxes, BOXES, atol=0.5)


def test_a_seed_gives_the_same_boxes_again(model, video):
    first, again = (follow(ATOMTracker(model, **OPEN), video, BOXES) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.bboxes, other.bboxes)
    other = follow(ATOMTracker(model, seed=7, **OPEN), video, BOXES)
    assert not np.allclose(first[-1].bboxes, other[-1].bboxes)


def test_what_is_known_of_a_target_is_one_object(model, video):
    """Whoever has it follows on as if nothing had been."""
    tracker, other = (ATOMTracker(model, **OPEN) for _ in range(2))
    follow(tracker, video[:2], BOXES[:1])
    target = deepcopy(tracker.followed[0])
    generator = torch.Generator().manual_seed(0)
    for one in (target, tracker.followed[0]):
        one.draw = lambda *shape: torch.rand(shape, generator=generator.manual_seed(0))
    wanted = [tracker.step(frame) for frame in video[2:]]
    other.start(video[0], Target(boxes=BOXES[1:]))
    other.step(video[0])
    other.followed = {0: target}
    for tracks, frame in zip(wanted, video[2:], strict=True):
        np.testing.assert_array_equal(other.step(frame).bboxes, tracks.bboxes)


def test_memory_is_full_and_stays_so(model, video):
    """Views of the first frame remain; of later ones as many as there is room for."""
    tracker = ATOMTracker(model, **OPEN)
    follow(tracker, video[:1], BOXES[:1])
    learned = tracker.followed[0].filter
    assert isinstance(learned, ProjectedFilter)
    views = tracker.views.samples
    first, projection = learned.samples[:views].clone(), learned.projection
    assert learned.samples.shape == (5, 8, 6, 6) and learned.labels.shape == (5, 1, 6, 6)
    for number, frame in enumerate(video[1:], 1):
        tracker.step(frame)
        assert tracker.followed[0].sight.steps in (0, learned.settings.iterations)
        assert learned.memory.count == views + number
    assert len(learned.samples) == 5 and learned.projection is projection
    assert torch.equal(learned.samples[:views], first)
    with pytest.raises(InputError, match="A memory of 3 samples cannot hold the 4 of the first"):
        ATOMTracker(model, **{**OPEN, "learning": dict(memory=3)})


def test_a_lost_object_stays_where_it_was(model, video):
    tracker = ATOMTracker(model, **{**OPEN, "localization": dict(not_found=99.0)})
    for tracks in follow(tracker, video, BOXES)[1:]:
        np.testing.assert_allclose(tracks.bboxes, BOXES, atol=1e-4)
        assert len(tracks.above(tracker.draw_threshold)) == 0
    assert tracker.followed[0].filter.memory.count == tracker.views.samples


def test_views_of_the_published_tracker():
    tracker = build_online(read_config(ROOT / "configs/sot/atom.py"), build("atom"))
    assert tracker.views.samples == 30
    assert tracker.middle_offset == 0.5


def test_scores_tell_where_the_target_is(model, video):
    """A filter learned on features of an untrained network finds what it was learned of.

    In the frame that it was learned in, the highest score lies within a cell of the target, and is
    placed where the target is.
    """
    tracker = ATOMTracker(model, **OPEN | dict(learning=OPEN["learning"] | dict(first_steps=6)))
    follow(tracker, [video[0]], BOXES[:1])
    target = tracker.followed[0]
    position = target.placement.position.copy()
    tracker.step(video[0])
    sight = target.sight
    found = sight.area.centre + sight.place.translation
    cell = tracker.model.stride * sight.area.scale
    assert np.abs(found - position).max() < cell
    assert sight.scores.max() > 0.5


def test_boxes_of_the_command_line(model, video, tmp_path, capsys):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, frame in enumerate(video[:3]):
        cv2.imwrite(str(frames / f"{number}.png"), frame[..., ::-1])
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "atom.pth")
    config = tmp_path / "small.json"
    config.write_text(json.dumps({"_base_": str(ROOT / "configs/sot/atom.py"), "online": OPEN}))
    words = ["--config", str(config), "--checkpoint", str(tmp_path / "atom.pth")]
    words += ["--box", "40,30,30,30", "--device", "cpu", "--json", str(tmp_path / "out.json")]
    assert main(["track", str(frames), *words]) == 0
    assert "3 frames, 1 tracks" in capsys.readouterr().out
    written = json.loads((tmp_path / "out.json").read_text())["frames"]
    wanted = follow(build_online(read_config(config), model), video[:3], BOXES[:1])
    for record, tracks in zip(written, wanted, strict=True):
        boxes = [found["bbox"] for found in record["tracks"]]
        np.testing.assert_allclose(boxes, tracks.bboxes, atol=0.2)
