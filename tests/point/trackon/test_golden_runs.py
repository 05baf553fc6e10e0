"""Whole videos, frame by frame, against what the original gave."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.point.trackon.released import record, released, remember_frames, seeded_video
from tests.recorded import Recorded
from vovtrack.point.follower import PointFollower
from vovtrack.point.models.memory import time_table
from vovtrack.point.models.settings import TestSettings
from vovtrack.point.video import VideoPoints, follow_points

NAME, FULL = "inference_mini.npz", "forward_full.npz"
PATCHES, MAP = 7, (16, 4)
FULL_PATCHES, FULL_MAP = 97, (16, 8)
"""Of so many logits, channels, and rows and columns of maps, the recordings have one."""
SETTINGS = dict(support_grid="grid", memory="memory", visibility_threshold="vis_threshold")
"""Our names of settings -> those of the recordings."""
PIXELS, LOGIT = 2e-3, 1e-4
"""By how much points and logits may differ."""
NEAR_TIES, LOOSE = 1e-6, 0.05
"""With a smaller margin between its patches, a run's points may differ by so many pixels."""
PARTS = {
    "support_grid": r"(?:^|_)grid(\d+)",
    "memory": r"(?:^|_)m(\d+)(?:_(\d+))?",
    "visibility_threshold": r"(?:^|_)d(\d+)",
}
"""Settings -> how the name of a run writes them."""


class Runs:
    """The model, and the runs that the recordings have."""

    def __init__(self, recorded: Recorded) -> None:
        self.meta = recorded.meta(NAME)
        self.arrays = recorded.arrays(NAME)
        self.names = [name.rpartition("/")[0] for name in self.arrays if name.endswith("/queries")]
        size = tuple(self.meta["video_hw"])
        self.video = seeded_video(self.meta["T"], size, self.meta["shift"], recorded.salt)
        self.model = remember_frames(released(recorded, self.meta["size"]))

    def prepare(self, name: str, **other: Any) -> None:
        """Set the model as the name of a run says; one without a grid says so, or starts late."""
        found = {key: re.search(pattern, name) for key, pattern in PARTS.items()}
        settings: dict[str, Any] = dict(
            support_grid=0 if name.startswith(("nogrid", "late")) else self.meta["grid"]
        )
        if match := found["support_grid"]:
            settings["support_grid"] = int(match[1])
        if match := found["memory"]:
            settings["memory"] = (int(match[1]), int(match[2] or match[1]))
        if match := found["visibility_threshold"]:
            settings["visibility_threshold"] = int(match[1]) / 100
        self.model.test_settings = TestSettings(**{**settings, **other})

    def clip(self, name: str) -> Tensor:
        """The frames of a run: the first ones, or the last ones where its video is shifted."""
        count = len(self.arrays[f"{name}/points"])
        return self.video[:, -count:] if name.endswith("shifted") else self.video[:, :count]

    def queries(self, name: str) -> Tensor:
        """(1, N, 3)."""
        return torch.from_numpy(self.arrays[f"{name}/queries"])[None]

    def pixels(self, name: str) -> float:
        """By how much points may differ."""
        return LOOSE if self.meta["smallest_margin"][name] < NEAR_TIES else PIXELS

    def follow(self, name: str, **settings: Any) -> VideoPoints:
        """What our model gives."""
        self.prepare(name, **settings)
        return follow_points(self.model, self.clip(name), self.queries(name))


@pytest.fixture(scope="module")
def runs(recorded: Recorded) -> Runs:
    return Runs(recorded)


def test_the_video_is_the_recorded_one(runs):
    check = runs.arrays["video_check"]
    thinned = [runs.video[0, :, :, ::step, ::step].numpy() for step in range(1, 100)]
    assert any(np.array_equal(video, check) for video in thinned)


def test_every_run(runs):
    assert runs.names
    for name in runs.names:
        found, array = runs.follow(name), {}
        for key in ("points", "visible", "vis_logit", "unc_logit"):
            array[key] = runs.arrays[f"{name}/{key}"]
        # The original gives no numbers where no query had started.
        defined = np.isfinite(array["points"]).all(axis=-1)
        times = runs.arrays[f"{name}/queries"][:, 0]
        after = defined & (np.arange(len(defined))[:, None] >= times)
        assert after.any()
        points = found.points[0].numpy()
        assert np.isfinite(points).all()
        error = np.abs(points - array["points"])[after].max()
        assert error < runs.pixels(name), name
        np.testing.assert_array_equal(found.visible[0].numpy()[after], array["visible"][after])
        if runs.pixels(name) == PIXELS:
            for key, ours in (("vis", found.visible_logit), ("unc", found.uncertainty_logit)):
                wanted = array[f"{key}_logit"][after]
                np.testing.assert_allclose(ours[0].numpy()[after], wanted, rtol=LOGIT, atol=LOGIT)


def compare(found: dict[str, Tensor], rows: Tensor, arrays: Any, prefix: str) -> None:
    """The parts of a frame against all recorded ones; maps whole, else the rows that started."""
    names = [key.removeprefix(prefix) for key in arrays if key.startswith(prefix)]
    assert len(set(names) & found.keys()) > 10
    for name in set(names) & found.keys() - {"grid_points"}:
        wanted = arrays[prefix + name]
        if name == "offsets":
            wanted = wanted[:, rows]
        elif name not in ("tokens", "decoded"):
            wanted = wanted[rows]
        pixels = name in ("point", "patch", "top_points")
        tolerance = dict(rtol=0, atol=PIXELS) if pixels else dict(rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found[name], wanted, **tolerance, err_msg=prefix + name)


def test_late_queries_alone_have_numbers(runs):
    """The original gives none: a query that has not started leaves undefined tokens behind."""
    lost = np.array(runs.meta["late_only_original_nan"])
    original = runs.arrays["late_only_original/points"]
    np.testing.assert_array_equal(np.isnan(original).any(axis=(1, 2)), lost)
    assert lost.any()
    found = runs.follow("late_only_original")
    wanted = runs.arrays["late_only_finite/points"]
    times = runs.arrays["late_only_original/queries"][:, 0]
    after = np.arange(len(wanted))[:, None] >= times
    assert np.abs(found.points[0].numpy() - wanted)[after].max() < PIXELS


def test_before_its_frame_a_point_is_where_it_was_asked_for(runs):
    name = next(n for n in runs.names if runs.arrays[f"{n}/queries"][:, 0].max() > 0)
    found, queries = runs.follow(name), runs.queries(name)[0]
    before = torch.arange(found.points.shape[1])[:, None] < queries[:, 0]
    assert before.any()
    places = queries[:, 1:].expand_as(found.points[0])
    assert torch.equal(found.points[0][before], places[before])
    assert not found.visible[0][before].any()


def test_chunks_change_nothing(runs):
    name = runs.names[0]
    whole, parts = (runs.follow(name, query_chunk=size) for size in (100, 3))
    torch.testing.assert_close(whole.points, parts.points, rtol=0, atol=1e-4)
    assert torch.equal(whole.visible, parts.visible)


def test_streaming_gives_the_recorded_stream(runs):
    """The original's interface for streams gave bit for bit what a run of whole videos did."""
    streams = [name for name in runs.arrays if re.fullmatch(r"stream_\w+/points", name)]
    assert streams
    for stream in streams:
        wanted = runs.arrays[stream]
        name = next(n for n in runs.names if np.array_equal(runs.arrays[f"{n}/points"], wanted))
        runs.prepare(name)
        follower = PointFollower(runs.model)
        follower.add(runs.queries(name)[0, :, 1:])
        for frame, points in zip(runs.clip(name)[0], wanted, strict=True):
            error = np.abs(follower.step(frame).points.numpy() - points).max()
            assert error < runs.pixels(name)


def test_time_tables_of_a_longer_memory(runs):
    model = runs.model
    for name, part in (("context", model.query_decoder), ("spatial", model.sm_query_updater)):
        wanted = runs.arrays[f"time_embedding_{name}"]
        found = time_table(part.time_embedding, len(wanted) - 1)[:, ::16]
        np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=LOGIT, atol=LOGIT)


def test_every_part_of_a_frame(runs):
    """Of the frames that were recorded in full, which are those of the first run."""
    name = runs.names[0]
    runs.prepare(name)
    queries = runs.queries(name)[0]
    for number, found, rows in record(runs.model, runs.clip(name)[0], queries, PATCHES, MAP):
        if number in runs.meta["frames"]:
            compare(found, rows, runs.arrays, f"f{number}/")
            grid = runs.arrays[f"f{number}/grid_points"]
            np.testing.assert_allclose(found["grid_points"], grid, rtol=1e-4, atol=1e-4)


def test_every_part_of_a_frame_at_full_size(recorded):
    meta, arrays = recorded.meta(FULL), recorded.arrays(FULL)
    settings = {key: meta[name] for key, name in SETTINGS.items()}
    model = released(recorded, meta["size"], **settings)
    video = seeded_video(meta["T"], meta["video_hw"], meta["shift"], recorded.salt)[0]
    queries = torch.from_numpy(arrays["queries"])
    started = np.arange(meta["T"])[:, None] >= arrays["queries"][:, 0]
    scale = np.array(meta["video_hw"][::-1]) / np.array(meta["size"][::-1])
    for number, found, rows in record(model, video, queries, FULL_PATCHES, FULL_MAP):
        compare(found, rows, arrays, f"f{number}/")
        seen = found["vis_logit"].sigmoid().numpy() > meta["vis_threshold"]
        np.testing.assert_array_equal(seen, arrays["visible"][number][rows])
        error = np.abs(found["point"].numpy() * scale - arrays["points"][number][rows])
        assert error.max() < PIXELS
        assert started[number][rows].all()
        initial = found["q_init"].numpy()
        np.testing.assert_allclose(initial, arrays["q_init"][rows], rtol=1e-4, atol=1e-4)
