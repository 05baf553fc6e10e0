"""The recorded traces of the original trackers, both worlds and every setting."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from mmengine.structures import InstanceData

from ovtrack.trackers import QuasiDenseTracker

FILE = "tracker_trace.npz"


class Trace:
    """One world: the frames given to a tracker, and what it returned for each."""

    def __init__(self, arrays, world: str) -> None:
        self.arrays, self.world = arrays, world
        self.frame_ids = arrays[f"{world}_frame"].tolist()

    def frames(self) -> Iterator[tuple[int, InstanceData]]:
        """Frame number and detections, which also know their row."""
        names = dict(bboxes="boxes", scores="scores", labels="classes", embeds="embeds")
        columns = {key: self.ragged(name, "n") for key, name in names.items()}
        for call, frame_id in enumerate(self.frame_ids):
            found = {key: torch.from_numpy(rows[call]) for key, rows in columns.items()}
            found["row"] = torch.arange(len(found["scores"]))
            yield frame_id, InstanceData(**found)

    def ragged(self, name: str, counts: str | None = None) -> list[np.ndarray]:
        """An array of each call."""
        numbers = self.arrays[f"{self.world}_{counts or name + '_n'}"]
        return np.split(self.arrays[f"{self.world}_{name}"], numbers.cumsum()[:-1])


def worlds(arrays) -> list[Trace]:
    names = [key.removesuffix("_frame") for key in arrays.files if key.endswith("_frame")]
    return [Trace(arrays, name) for name in names]


def run(tracker: QuasiDenseTracker, trace: Trace, skip_empty: bool = False):
    """What a tracker returns for each frame, in the order of scores."""
    for frame_id, found in trace.frames():
        if frame_id == 0:
            tracker.reset()
        if len(found) or not skip_empty:
            yield tracker.update(found, frame_id)


def by_score(out: InstanceData) -> InstanceData:
    return out[out.scores.argsort(descending=True, stable=True)]


def backdrop_scores(tracker: QuasiDenseTracker) -> np.ndarray:
    return np.concatenate([frame["scores"] for frame in tracker.backdrops])


def test_the_tracker_decides_and_remembers_as_recorded(recorded):
    arrays, modes = recorded.arrays(FILE), recorded.meta(FILE)["modes"]
    for trace in worlds(arrays):
        for mode, settings in modes.items():
            tracker = QuasiDenseTracker(**settings)
            names = ("keep", "ids", "backdrop_scores", "memory_ids")
            expected = zip(*(trace.ragged(f"{mode}_{name}") for name in names), strict=True)
            for out, (keep, ids, backdrops, memory) in zip(
                run(tracker, trace), expected, strict=True
            ):
                decided = by_score(out)
                assert decided.row.tolist() == keep.tolist()
                assert decided.instances_id.tolist() == ids.tolist()
                np.testing.assert_array_equal(backdrop_scores(tracker), backdrops)
                assert tracker.memory.ids.tolist() == memory.tolist()


def test_tracks_come_out_in_order_of_their_creation(recorded):
    arrays, modes = recorded.arrays(FILE), recorded.meta(FILE)["modes"]
    for trace in worlds(arrays):
        for mode, settings in modes.items():
            names = ("boxes", "scores", "classes", "ids")
            expected = zip(*(trace.ragged(f"{mode}_out_{name}") for name in names), strict=True)
            outputs = run(QuasiDenseTracker(**settings), trace)
            for out, (boxes, scores, classes, ids) in zip(outputs, expected, strict=True):
                tracked = out[out.instances_id >= 0]
                assert tracked.instances_id.tolist() == ids.tolist()
                np.testing.assert_array_equal(tracked.bboxes, boxes)
                np.testing.assert_array_equal(tracked.scores, scores)
                np.testing.assert_array_equal(tracked.labels, classes)


def test_the_settings_of_the_older_original(recorded):
    arrays, modes = recorded.arrays(FILE), recorded.meta(FILE)["original_modes"]
    for trace in worlds(arrays):
        for mode, settings in modes.items():
            tracker = QuasiDenseTracker(**settings)
            one_class = not trace.arrays[f"{trace.world}_{mode}_out_classes"].any()
            names = ("out_classes", "out_ids", "memory_ids")
            columns = [trace.ragged(f"{mode}_{name}") for name in names]
            boxes = (
                trace.ragged(f"{mode}_out_boxes")
                if f"{trace.world}_{mode}_out_boxes" in arrays.files
                else [None] * len(columns[0])
            )
            # It was not called for frames without detections.
            outputs = run(tracker, Classless(trace) if one_class else trace, skip_empty=True)
            for out, classes, ids, memory, rows in zip(outputs, *columns, boxes, strict=True):
                decided = by_score(out)
                assert decided.instances_id.tolist() == ids.tolist()
                assert decided.labels.tolist() == classes.tolist()
                assert tracker.memory.ids.tolist() == memory.tolist()
                if rows is not None:
                    np.testing.assert_array_equal(decided.bboxes, rows[:, :4])
                    np.testing.assert_array_equal(decided.scores, rows[:, 4])


class Classless(Trace):
    """A world in which everything has the first class."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace.arrays, trace.world)

    def frames(self) -> Iterator[tuple[int, InstanceData]]:
        for frame_id, found in super().frames():
            found.labels = torch.zeros_like(found.labels)
            yield frame_id, found
