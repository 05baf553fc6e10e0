"""ToMP frame by frame: several objects, lost ones, tiny ones, and what is remembered."""

from __future__ import annotations

import json
from copy import deepcopy

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from tests.places import ROOT
from tests.sot.videos import BOXES, follow, moving_noise
from vovtrack.cli.main import main
from vovtrack.engine.configs import read_config
from vovtrack.engine.load import build_online
from vovtrack.registry import MODELS
from vovtrack.sot.localization import LocalizationSettings
from vovtrack.sot.tomp import ToMPTracker
from vovtrack.structures import Target

SMALL = dict(
    backbone=dict(depth=18),
    in_channels=256,
    channels=32,
    layers=1,
    predictor=dict(channels=32, heads=4, hidden=64, layers=1, box_channels=(16, 32)),
)
OPEN = dict(side=96, extent=4.0, localization=dict(not_found=-99.0), known=dict(confident=-99.0))
"""Settings for small search areas, in which a network without weights believes what it sees."""


@pytest.fixture(scope="module")
def model():
    config = Config.fromfile(ROOT / "configs/_base_/models/tomp50.py")
    config.merge_from_dict(dict(model=SMALL))
    torch.manual_seed(0)
    return MODELS.build(config.model).eval()


@pytest.fixture(scope="module")
def video():
    return moving_noise()


def test_objects_do_not_change_each_other(model, video):
    """Though one is known from fewer frames than the other."""
    tracker = ToMPTracker(model, **OPEN)
    together = follow(tracker, video[:3], BOXES[:1])
    tracker.add(BOXES[1:])
    together += [tracker.step(frame) for frame in video[3:] + video[:2]]
    counts = [len(target.known) for target in tracker.followed.values()]
    assert counts == [2, 2] and together[-1].track_ids.tolist() == [0, 1]
    first = follow(ToMPTracker(model, **OPEN), video + video[:2], BOXES[:1])
    second = follow(ToMPTracker(model, **OPEN), video[3:] + video[:2], BOXES[1:])
    for row, alone in ((0, first[3:]), (1, second)):
        for both, one in zip(together[3:], alone, strict=True):
            np.testing.assert_allclose(both.bboxes[row], one.bboxes[0], atol=0.02)
            np.testing.assert_allclose(both.scores[row], one.scores[0], atol=1e-4)
    assert not np.allclose(first[-1].bboxes, BOXES[:1], atol=0.5)


def test_the_first_frame_and_the_last_certain_one_are_known(model, video):
    tracker = ToMPTracker(model, **OPEN)
    follow(tracker, video[:1], BOXES[:1])
    known = tracker.followed[0].known
    first = known.feat.clone()
    for number, frame in enumerate(video[1:], 1):
        before = known.feat.clone()
        tracker.step(frame)
        assert len(known) == 2 and torch.equal(known.feat[:1], first)
        assert not torch.equal(known.feat[1:], before[1:])
        assert known.memory.count == 1 + number
        assert known.memory.weights.sum() == pytest.approx(1)
    shy = ToMPTracker(model, **OPEN | dict(known=dict(confident=99.0)))
    follow(shy, video, BOXES[:1])
    assert len(shy.followed[0].known) == 1


def test_a_lost_object_stays_where_it_was(model, video):
    tracker = ToMPTracker(model, **{**OPEN, "localization": dict(not_found=99.0)})
    for tracks in follow(tracker, video, BOXES)[1:]:
        np.testing.assert_allclose(tracks.bboxes, BOXES, atol=1e-4)
        assert len(tracks.above(tracker.draw_threshold)) == 0
    assert len(tracker.followed[0].known) == 1


def test_a_lost_object_is_looked_for_in_a_larger_area(model, video):
    """As large as before it became small; when it is found, its size says how large."""
    tracker = ToMPTracker(model, **OPEN)
    follow(tracker, video[:1], BOXES[:1])
    place = tracker.followed[0].placement
    size = place.size
    for factor in (2.0, 1.0):
        place.size = size * factor
        tracker.step(video[1])
    sizes, before = place.size, place.scale
    tracker.localization = LocalizationSettings(not_found=99.0)
    tracker.step(video[2])
    natural = np.sqrt(size.prod() / place.base.prod())
    assert place.widened == pytest.approx(1.5 * natural, rel=1e-6)
    assert place.scale == place.widened and np.array_equal(place.size, sizes)
    tracker.localization = LocalizationSettings(not_found=-99.0)
    tracker.step(video[3])
    assert place.widened is None and place.scale != before


@pytest.mark.parametrize(
    "box", [[50, 40, 51, 41], [-30, -20, 9, 12], [0, 0, 160, 120], [80, 10, 82, 110]]
)
def test_boxes_stay_in_the_frame(model, video, box):
    """Half a pixel aside, and never smaller than they may be."""
    frames = [*video, np.zeros_like(video[0]), np.full_like(video[0], 255)]
    for tracks in follow(ToMPTracker(model, **OPEN), frames, [box])[1:]:
        (x1, y1, x2, y2), least = tracks.bboxes[0], 10 - 1e-3
        assert x1 >= 0 and y1 >= 0 and x2 <= 160.51 and y2 <= 120.51
        assert x2 - x1 >= least and y2 - y1 >= least
        assert np.isfinite(tracks.scores).all()


def test_a_map_with_a_middle_cell(model, video):
    """Of an odd number of cells one is in the middle: the search area is then not moved."""
    for side, moved in ((96, 0.5), (80, 0.0)):
        tracker = ToMPTracker(model, **OPEN | dict(side=side))
        follow(tracker, video[:1], BOXES[:1])
        place = tracker.followed[0].placement
        expected = place.position + moved * place.scale * tracker.model.stride
        np.testing.assert_allclose(tracker._centre(place), expected)
        tracker.step(video[1])
        assert tracker.followed[0].sight.scores.shape == (side // 16, side // 16)


def test_boxes_of_the_command_line(model, video, tmp_path, capsys):
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, frame in enumerate(video[:3]):
        cv2.imwrite(str(frames / f"{number}.png"), frame[..., ::-1])
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "tomp.pth")
    config = tmp_path / "small.json"
    base = str(ROOT / "configs/sot/tomp50.py")
    config.write_text(json.dumps(dict(_base_=base, model=SMALL, online=OPEN)))
    words = ["--config", str(config), "--checkpoint", str(tmp_path / "tomp.pth")]
    words += ["--box", "40,30,30,30", "--box", "90,50,40,26", "--device", "cpu"]
    out = tmp_path / "tracks.json"
    assert main(["track", str(frames), *words, "--json", str(out)]) == 0
    assert "3 frames, 2 tracks" in capsys.readouterr().out
    written = json.loads(out.read_text())["frames"]
    tracker = build_online(read_config(config), deepcopy(model))
    tracker.start(video[0], Target(boxes=BOXES))
    for record, frame in zip(written, video[:3], strict=True):
        boxes = [found["bbox"] for found in record["tracks"]]
        np.testing.assert_allclose(boxes, tracker.step(frame).bboxes, atol=0.1)
    assert not np.allclose(boxes, BOXES, atol=0.5)
