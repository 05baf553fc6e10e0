"""Whole videos with weights that the original learned, level by level and row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from tests.graph.networks import tracker, with_shared
from tests.graph.recordings import close, levels_of
from tests.recorded import Recorded
from vovtrack.formats.mot.rows import parse_rows
from vovtrack.graph.detections import Detections
from vovtrack.graph.interpolation import TrackRows, finish_tracks
from vovtrack.graph.models import HierarchicalTracker
from vovtrack.graph.rounding import clusters_of
from vovtrack.graph.tables import clamp_boxes
from vovtrack.graph.video import link_video

VIDEOS = ("seq", "mot17")
AMPLIFIED = 5e-4
"""Tolerance of probabilities: boxes in double precision alone change one of them by 1.3e-4."""


class Run:
    """A video, the tracker it was given to, and what came of it."""

    def __init__(self, recorded: Recorded, name: str, settings: dict[str, Any]) -> None:
        self.arrays, self.name, self.settings = recorded.arrays("end_to_end.npz"), name, settings
        meta = recorded.meta("end_to_end.npz")
        place = next(video for video in VIDEOS if meta[video]["name"] == settings["seq"])
        video = meta[place]
        rows = parse_rows(str(self.arrays[f"{place}/det_txt"]), place)
        order = np.argsort(rows.frames, kind="stable")
        assert (order == self["det_order"]).all()
        self.box = rows.bboxes[order] - [1, 1, 0, 0]
        if "clamped" in video["kind"]:
            self.box = clamp_boxes(self.box, video["width"], video["height"])
        looks = self.arrays[f"{place}/reid"][order]
        self.detections = Detections.of(rows.frames[order], self.box, looks, video["fps"])

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[f"{self.name}/{name}"]

    def of(self, place: str) -> set[str]:
        """What was recorded of a level."""
        prefix = f"{self.name}/{place}/"
        return {x.removeprefix(prefix) for x in self.arrays.files if x.startswith(prefix)}

    def tracker(self) -> HierarchicalTracker:
        settings, prefix = self.settings, "weights/"
        model = tracker(
            levels_of(settings),
            node_features=self.detections.embedding.shape[1],
            language=settings["prompts"],
            use_embedding=not settings["zero_nodes"],
            rounding=settings["rounding"],
        )
        names = [name for name in self.arrays.files if name.startswith(prefix)]
        weights = {x.removeprefix(prefix): torch.from_numpy(self.arrays[x]) for x in names}
        model.network.load_state_dict(with_shared(weights, len(model.levels)))
        return model


@pytest.fixture(scope="module")
def runs(recorded) -> list[Run]:
    meta = recorded.meta("end_to_end.npz")
    found = [Run(recorded, name, s) for name, s in meta.items() if "frames_per_level" in s]
    assert found
    return found


def steps_of(run: Run) -> Iterator[tuple[str, Any]]:
    """All levels of all windows that were recorded, and what ours makes of them."""
    model, frame = run.tracker(), run.detections.frame
    for number, (first, last) in enumerate(run["windows"].tolist()):
        inside = torch.nonzero((frame >= first) & (frame <= last))[:, 0]
        with torch.no_grad():
            steps = list(model.climb(run.detections.select(inside), len(model.levels), True))
        for level, step in enumerate(steps):
            yield f"win{number}/L{level}", step


def test_levels(runs):
    """Of what is the same as in another run only a part was recorded."""
    compared = 0
    for run in runs:
        for place, step in steps_of(run):
            chosen = step.links.pairs[:, step.links.chosen]
            ours = {
                "pairs": step.graph.pairs.numpy(),
                "active_pairs": np.array(sorted(map(tuple, chosen.T))).T,
                "labels": clusters_of(chosen, len(step.graph.nodes)),
            }
            for name in ours.keys() & run.of(place):
                theirs = run[f"{place}/{name}"]
                if name == "active_pairs":
                    theirs = theirs[:, np.lexsort(theirs[::-1])]
                assert (ours[name] == theirs).all(), (run.name, place, name)
                compared += 1
            if "prob" in run.of(place):
                close(step.judged.probability.flatten(), run[f"{place}/prob"], AMPLIFIED)
    assert compared


def test_rows(runs):
    for run in runs:
        linked = link_video(run.tracker(), run.detections)
        found = finish_tracks(
            TrackRows(linked.frame, linked.track, run.box[linked.detection]),
            run.settings["min_track_len"],
            run.settings["interpolate"],
        )
        ours = np.column_stack([found.frame, found.track, found.box + [1, 1, 0, 0]])
        np.testing.assert_allclose(ours, run["rows"][:, :6], rtol=0, atol=1e-9, err_msg=run.name)
        assert len(set(found.track)) == run.settings["tracks"]
        text = [line.split(",")[:6] for line in str(run["text"]).splitlines()]
        np.testing.assert_allclose(ours, np.array(text, dtype=float), rtol=0, atol=1e-9)
