"""ToMP's tracker on a video, against what the original did in each frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.sot.networks import seeded
from tests.sot.online import VIDEO, calibrated
from vovtrack.sot.localization import Flag
from vovtrack.sot.search_area import cut_window
from vovtrack.sot.tomp import ToMPTracker
from vovtrack.structures import Target

NAME = "online_tomp50.npz"
SCALE, LOWER = -1 / 14, 2.1
"""What the classifier's weights were multiplied by, and the logarithms of sides lowered by, so that
a network of seeded weights follows anything."""
SCORE, PIXEL = 1e-3, 0.05
"""By which scores and boxes may differ, from the recorded state of the frame before."""
FREE_PIXEL = 0.1


class Run:
    """The seeded network, and what a tracker that uses it is compared with."""

    def __init__(self, recorded) -> None:
        self.arrays, self.meta = recorded.arrays(NAME), recorded.meta(NAME)
        self.video = recorded.arrays(VIDEO)["frames"]
        self.model = calibrated(recorded, seeded(recorded, "tomp50"))
        with torch.no_grad():
            for value in self.model.classifier.parameters():
                value *= SCALE
            self.model.box_regressor.output.bias -= LOWER

    def begin(self) -> ToMPTracker:
        """A tracker that has seen the first frame."""
        params = self.meta["params"]
        tracker = ToMPTracker(
            self.model,
            side=params["image_sample_size"],
            extent=params["search_area_scale"],
            border=params["border_mode"],
            max_shrink=params["patch_max_scale_change"],
            localization=dict(
                not_found=params["target_not_found_threshold"],
                distractor=params["distractor_threshold"],
                hard_negative=params["hard_negative_threshold"],
                neighbourhood=params["target_neighborhood_scale"],
                displacement=params["dispalcement_scale"],
            ),
            known=dict(
                memory=params["sample_memory_size"],
                confident=params["conf_ths"],
                least_initial=params["init_samples_minimum_weight"],
                rate=params["learning_rate"],
                hard_negative_rate=params["hard_negative_learning_rate"],
            ),
        )
        tracker.start(self.video[0], Target(boxes=[corners(self.arrays["gt"][0])]))
        tracker.step(self.video[0])
        return tracker

    def frames(self):
        """Row of the recordings, pixels and flag of each frame after the first."""
        for row in range(len(self.video) - 1):
            yield row, self.video[row + 1], self.meta["flags"][row]


def corners(box) -> list[float]:
    """(x1, y1, x2, y2) of a box (x, y, w, h)."""
    x, y, w, h = (float(value) for value in box)
    return [x, y, x + w, y + h]


def close(found, wanted, near, what=""):
    np.testing.assert_allclose(found, wanted, rtol=near, atol=near, err_msg=what)


@pytest.fixture(scope="module")
def run(recorded):
    return Run(recorded)


def test_the_first_frame(run):
    """The target's place, and the backbone's map of the search area around it."""
    maps = []
    hook = run.model.backbone.register_forward_hook(lambda *call: maps.append(call[-1][-1]))
    target = run.begin().followed[0]
    hook.remove()
    place, known = target.placement, target.known
    found = [*place.position, *place.size, place.scale, *place.base]
    found += [*np.rint(place.position), place.scale]
    close(found, run.arrays["init_state"][: len(found)], 1e-5)
    close(known.boxes, run.arrays["init_boxes"], 1e-3)
    (found,) = maps
    stats = [found.mean(), found.std(), found[:, ::32].abs().max()]
    close(stats, run.arrays["init_samples_stats"][0], 1e-4)


def test_each_frame_from_the_recorded_state(run):
    tracker, arrays = run.begin(), run.arrays
    target, side = tracker.followed[0], tracker.side
    states = [arrays["init_state"], *arrays["state"]]
    sides = []
    run.model.box_regressor.register_forward_hook(lambda *call: sides.append(call[-1][0, 0]))
    for row, frame, flag in run.frames():
        place, before = target.placement, states[row].astype(np.float64)
        place.position, place.size = before[:2], before[2:4]
        close([*tracker._centre(place), place.scale], arrays["request"][row], 1e-4)
        (box,) = tracker.step(frame).bboxes
        sight = target.sight
        assert sight.window.corners.tolist() == arrays["coord"][row].tolist()
        image = torch.from_numpy(frame).permute(2, 0, 1)[None]
        patch = cut_window(image, sight.window, (side, side))[0, :, ::16, ::16]
        np.testing.assert_allclose(patch, arrays["patch"][row], atol=1e-3)
        close(sight.scores, arrays["scores"][row], SCORE, f"scores of row {row}")
        for name in ("peak", "presence"):
            assert sight.scores.max() == pytest.approx(arrays[name][row], abs=SCORE)
        close(sides[-1].numpy(), arrays[f"ltrb{row + 1}"], SCORE, f"sides of row {row}")
        assert sight.place.flag == flag
        if flag != Flag.NOT_FOUND:
            close(sight.place.translation, arrays[f"translation{row + 1}"], SCORE)
        after = [*place.position, *place.size, place.scale]
        np.testing.assert_allclose(after, arrays["state"][row], atol=PIXEL)
        assert box == pytest.approx(corners(arrays["output"][row]), abs=2 * PIXEL)


def test_a_free_run(run):
    """Flags and slots of all frames; boxes as far as differences of rounding allow."""
    tracker, arrays = run.begin(), run.arrays
    target = tracker.followed[0]
    for row, frame, flag in run.frames():
        (box,) = tracker.step(frame).bboxes
        assert target.sight.place.flag == flag
        assert target.known.memory.count == arrays["memory_count"][row]
        assert box == pytest.approx(corners(arrays["output"][row]), abs=FREE_PIXEL)
    # Those of the last frame alone: in rows of earlier ones the recording has these, too.
    close(target.known.memory.weights, arrays["memory_weights"][-1], 1e-6)
