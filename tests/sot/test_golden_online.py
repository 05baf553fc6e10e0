"""Whole trackers on a video, against what the original did in each frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.sot.online import VIDEO, RecordedKeepTrack, RecordedTracker, network
from vovtrack.sot.keep_track import TargetAmongOthers
from vovtrack.sot.localization import Flag
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.models.keep_track import KeepTrack
from vovtrack.sot.search_area import cut_window
from vovtrack.structures import Target

PIXEL = 0.05
"""Boxes may differ by, from the recorded state of the frame before."""
FREE_FRAMES, FREE_PIXEL = 9, 0.02
"""In so many frames a free run keeps so near to the recorded one."""


def _close(found, wanted, near, what):
    found = found.detach() if isinstance(found, torch.Tensor) else found
    np.testing.assert_allclose(found, wanted, rtol=near, atol=near, err_msg=what)


class Run:
    """A tracker that has learned the target of a recording, and what it is compared with."""

    def __init__(self, recorded, name: str) -> None:
        file = f"online_{name}.npz"
        self.arrays, self.meta = recorded.arrays(file), recorded.meta(file)
        self.video = recorded.arrays(VIDEO)["frames"]
        self.model: DiMP = network(recorded, name)
        # A hinge bends at 0, and in the third step of the recorded filter a score is 1e-7 from it:
        # on which side rounding leaves it moves later scores by up to 1.2e-3.
        self.near = 2e-3 if isinstance(self.model, KeepTrack) else 1e-3
        self.assigned: list[torch.Tensor] = []
        if isinstance(self.model, KeepTrack):
            matcher = self.model.candidates.matcher
            matcher.register_forward_hook(lambda *call: self.assigned.append(call[-1][0]))
        self.first = self.tracker()
        x, y, w, h = self.arrays["gt"][0]
        self.first.start(self.video[0], Target(boxes=[[x, y, x + w, y + h]]))
        self.begun = self.first.step(self.video[0])

    def tracker(self) -> RecordedTracker:
        kind = RecordedKeepTrack if isinstance(self.model, KeepTrack) else RecordedTracker
        return kind(self.model, self.arrays, self.meta["params"])

    def frames(self):
        """Number, pixels and flag of each frame after the first."""
        for number in range(1, len(self.video)):
            yield number, self.video[number], self.meta["flags"][number - 1]


@pytest.fixture(scope="module", params=["dimp50", "super_dimp", "keep_track"])
def run(recorded, request):
    return Run(recorded, request.param)


def test_the_first_frame(run):
    """The target's place, the views of it, their boxes and the filter that is learned of them."""
    target, wanted = run.first.followed[0], run.arrays["init_state"]
    place = target.placement
    found = [*place.position, *place.size, place.scale, *place.base]
    found += [*np.rint(place.position), place.scale]
    np.testing.assert_allclose(found, wanted[: len(found)], rtol=1e-5)
    learned = target.filter
    count = len(run.arrays["init_boxes"])
    assert learned.memory.initial == count == run.first.views.samples
    _close(learned.boxes[:count, 0], run.arrays["init_boxes"], 1e-3, "init_boxes")
    shifts = learned.boxes[:count, 0, [1, 0]] - learned.boxes[0, 0, [1, 0]]
    _close(shifts, run.arrays["init_shift"], 1e-3, "init_shift")
    samples = learned.samples[:count, 0]
    stats = [samples.mean(dim=(1, 2, 3)), samples.flatten(1).std(dim=1)]
    stats.append(samples[:, ::32].abs().amax(dim=(1, 2, 3)))
    _close(torch.stack(stats, dim=1), run.arrays["init_samples_stats"], 1e-4, "samples")
    wanted = run.arrays["init_filter"]
    _close(_channels_of(learned.weights, wanted), wanted, 1e-3, "init_filter")
    assert run.begun.bboxes[0].tolist() == pytest.approx(_corners(run.arrays["gt"][0]), abs=1e-4)
    assert run.begun.scores.tolist() == [1.0] and run.begun.track_ids.tolist() == [0]


def test_each_frame_from_the_recorded_state(run):
    tracker = run.tracker().fork(run.first)
    target, arrays = tracker.followed[0], run.arrays
    states = [arrays["init_state"], *arrays["state"]]
    for number, frame, flag in run.frames():
        row = number - 1
        before = states[row].astype(np.float64)
        target.placement.position, target.placement.size = before[:2], before[2:4]
        request = [*target.placement.position, target.placement.scale]
        _close(request, arrays["request"][row], 1e-4, f"request {number}")
        tracks = tracker.step(frame)
        sight, side = target.sight, tracker.side
        assert sight.window.corners.tolist() == arrays["coord"][row].tolist()
        image = torch.from_numpy(frame).permute(2, 0, 1)[None]
        patch = cut_window(image, sight.window, (side, side))[0, :, ::16, ::16]
        np.testing.assert_allclose(patch, arrays["patch"][row], atol=1e-3)
        _close(sight.scores, arrays["scores"][row], run.near, f"scores {number}")
        assert sight.scores.max() == pytest.approx(arrays["peak"][row], abs=run.near)
        assert sight.place.flag == flag
        if flag != Flag.NOT_FOUND:
            if f"translation{number}" in arrays:  # of two peaks, not of candidates
                _close(sight.place.translation, arrays[f"translation{number}"], 1e-3, "translation")
            np.testing.assert_allclose(
                sight.proposals, arrays[f"init_boxes{number}"], atol=PIXEL, err_msg=f"{number}"
            )
            # Ascent passes bends of the pooling, where rounding may send a box another way.
            other_way = np.abs(sight.refined.numpy() - arrays[f"opt_boxes{number}"]) > PIXEL
            assert other_way.any(axis=1).sum() <= 1, number
            _close(sight.overlap, arrays[f"opt_iou{number}"], 1e-2, f"opt_iou{number}")
        place = target.placement
        after = [*place.position, *place.size, place.scale]
        np.testing.assert_allclose(after, arrays["state"][row], atol=PIXEL)
        assert tracks.bboxes[0] == pytest.approx(_corners(arrays["output"][row]), abs=2 * PIXEL)
        if isinstance(target, TargetAmongOthers):
            _check_candidates(run, number, target)


def test_a_free_run(run):
    """Flags, slots and steps of all frames; boxes until differences of rounding have grown."""
    tracker = run.tracker().fork(run.first)
    target, arrays = tracker.followed[0], run.arrays
    memory = target.filter.memory
    for number, frame, flag in run.frames():
        row = number - 1
        tracks = tracker.step(frame)
        assert target.sight.place.flag == flag
        assert target.sight.steps == run.meta["optimizer_iterations"][row]
        assert memory.count == arrays["memory_count"][row]
        if number <= FREE_FRAMES:
            found, wanted = tracks.bboxes[0], _corners(arrays["output"][row])
            assert found == pytest.approx(wanted, abs=FREE_PIXEL)
            norm = float(target.filter.weights.norm())
            assert norm == pytest.approx(arrays["filter_norm"][row], rel=1e-3)
            wanted = arrays["filter"][row]
            found = _channels_of(target.filter.weights, wanted)
            _close(found, wanted, 1e-3, f"filter {number}")
    # Those of the last frame alone: in rows of earlier ones the recording has these, too.
    _close(memory.weights, arrays["memory_weights"][-1], 1e-6, "memory_weights")
    if "certainties" in arrays:
        _close(memory.certainties, arrays["certainties"][-1], 1e-2, "certainties")


def _check_candidates(run: Run, number: int, target: TargetAmongOthers) -> None:
    """What could be taken for the target, who it is said to be, and how certain that is."""
    arrays, (wanted,) = run.arrays, [c for c in run.meta["collection"] if c["frame"] == number]
    collection, now = wanted["collection"], target.identities
    assert now.ids.tolist() == collection["object_ids"], number
    assert (now.selected, now.target) == (collection["selected"], collection["selected_object"])
    assert (now.flag, now.certain) == (collection["flag"], collection["certain"])
    assert target.sight.certainty == pytest.approx(arrays["presence"][number - 1], abs=run.near)
    if f"cand_coords{number}" not in arrays:
        assert target.peaks is None
        return
    found, candidates = target.peaks, target.peaks.candidates
    assert found.cells.tolist() == arrays[f"cand_coords{number}"].tolist()
    _close(found.scores, arrays[f"cand_scores{number}"], run.near, "cand_scores")
    points = arrays[f"cand_image_coords{number}"]
    np.testing.assert_allclose(candidates.points[0], points, atol=PIXEL)
    described, wanted = candidates.descriptors[0], arrays[f"cand_descriptors{number}"]
    _close(described[:: len(described) // len(wanted)], wanted, 2e-3, "cand_descriptors")
    if f"match_prev{number}" in arrays:
        assert target.matches.partner.tolist() == arrays[f"match_prev{number}"].tolist()
        _close(target.matches.probability, arrays[f"match_prob{number}"], 1e-2, "match_prob")
        _close(run.assigned.pop(), arrays[f"log_assignment{number}"], 2e-2, "log_assignment")
    assert run.assigned == [], "the network is asked where the original asked it"


def _channels_of(weights, wanted):
    """Those of a filter (1, C, k, k) that were recorded."""
    return weights[:, :: weights.shape[1] // wanted.shape[1]]


def _corners(box):
    """(x1, y1, x2, y2) of a box (x, y, w, h)."""
    x, y, w, h = (float(value) for value in box)
    return [x, y, x + w, y + h]
