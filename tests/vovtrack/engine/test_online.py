"""The contract of online trackers, by the smallest ones that keep it."""

from __future__ import annotations

import numpy as np
import pytest

from vovtrack import load_tracker
from vovtrack.engine.online import OnlineTracker
from vovtrack.errors import InputError
from vovtrack.registry import TASK_UTILS
from vovtrack.structures import Target, Tracks


class StillBoxes(OnlineTracker):
    """Says that the objects of the first frame do not move."""

    names = ("object",)

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Take the boxes."""
        self.boxes = target.only("This tracker", "boxes").boxes
        self.frame_id = -1

    def step(self, frame: np.ndarray) -> Tracks:
        """The same boxes again."""
        self.frame_id += 1
        count = len(self.boxes)
        ids, scores = np.arange(count), np.ones(count, np.float32)
        return Tracks(self.frame_id, self.boxes, ids, np.zeros_like(ids), scores, self.names)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "still.py"
    path.write_text('online = dict(type="StillBoxes")')
    TASK_UTILS.register_module(module=StillBoxes)
    yield path
    TASK_UTILS._module_dict.pop("StillBoxes")


def test_a_tracker_without_a_network_needs_two_methods(config):
    tracker = load_tracker(config, trust_config=True, device="cpu")
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    tracker.start(frames[0], Target(boxes=[[1, 2, 3, 4]]))
    found = tracker.step_batch(frames)
    assert [tracks.frame_id for tracks in found] == [0, 1, 2]
    assert found[2].bboxes.tolist() == [[1, 2, 3, 4]] and len(found[2].above(0.5)) == 1
    assert list(tracker.finish()) == [] and tracker.draw_threshold == 0.0
    with pytest.raises(InputError, match="follows boxes; it cannot use classes"):
        load_tracker(config, classes="a, b", trust_config=True, device="cpu")


@pytest.mark.parametrize(
    ("online", "message"),
    [
        ("'StillBoxes'", "has no 'online' with a 'type'"),
        ("dict(speed=3)", "has no 'online' with a 'type'"),
        ("dict(type='StilBoxes')", "StilBoxes is not in"),
        (
            "dict(type='StillBoxes', speed=3)",
            "does not fit its parts: StillBoxes.. takes no arguments",
        ),
    ],
)
def test_an_online_tracker_that_cannot_be_built_is_a_sentence(config, online, message):
    config.write_text(f"online = {online}")
    with pytest.raises(InputError, match=message):
        load_tracker(config, trust_config=True, device="cpu")
