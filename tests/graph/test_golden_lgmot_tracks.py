"""Windows, and from them to the tracks and rows of a video, against what the original wrote."""

from __future__ import annotations

import numpy as np
import pytest

from vovtrack.graph.interpolation import TrackRows, finish_tracks
from vovtrack.graph.stitching import Tracked, pair_best, stitch
from vovtrack.graph.windows import evaluation_windows, training_windows


def test_windows(recorded):
    index = recorded.meta("data.npz")["index"]
    assert index
    for name, case in index.items():
        frames, length = case["frames"], case["frames_per_graph"]
        found = training_windows(frames, length, case["train_start_distance"])
        assert [list(window) for window in found] == case["train"], name
        found = evaluation_windows(frames, length)
        inside = {frame for first, last in found for frame in frames if first <= frame <= last}
        assert inside == set(frames), name
        if "evaluation" in case:  # else the original stops
            several = [list(window) for window in found if window[0] < window[1]]
            assert several == case["evaluation"], name


def windows_of(arrays, name: str, count: int) -> list[Tracked]:
    return [
        Tracked(*(arrays[f"{name}/{column}{k}"] for column in ("frame", "det", "label")))
        for k in range(count)
    ]


def shared_between(left: Tracked, right: Tracked) -> np.ndarray:
    shared = np.zeros((left.track.max() + 1, right.track.max() + 1), dtype=np.int64)
    _, rows, columns = np.intersect1d(left.detection, right.detection, return_indices=True)
    np.add.at(shared, (left.track[rows], right.track[columns]), 1)
    return shared


def value(shared: np.ndarray) -> tuple[int, int]:
    pairs = pair_best(shared)
    return len(pairs[0]), int(shared[pairs].sum())


def is_tied(shared: np.ndarray) -> bool:
    """Whether there is another choice that is as good."""
    for row, column in zip(*pair_best(shared), strict=True):
        without = shared.copy()
        without[row, column] = 0
        if value(without) == value(shared):
            return True
    return False


def test_stitching(recorded):
    """Where one choice is best, it is the recorded one; else the recorded one is as good."""
    arrays, meta = recorded.arrays("rounding.npz"), recorded.meta("rounding.npz")
    cases = {name: case["windows"] for name, case in meta.items() if "windows" in case}
    decided = 0
    for name, count in cases.items():
        windows = windows_of(arrays, name, count)
        if "error" in meta[name]:
            first, second = stitch(windows[:1]), stitch(windows)
            assert len(second.track) > len(first.track)
            continue
        frame, detection, track = (arrays[f"{name}/{key}"] for key in ("frame", "det", "id"))
        found, tied = stitch(windows), False
        assert (found.frame == frame).all() and (found.detection == detection).all()
        for before, window in zip(windows, windows[1:], strict=False):
            old = frame <= before.frame.max()
            left = Tracked(frame[old], detection[old], track[old])
            shared = shared_between(left, window)
            tied |= is_tied(shared)
            _, rows, columns = np.intersect1d(detection[~old], window.detection, False, True)
            rest, pairs = shared.copy(), 0
            of_pairs = 0
            named = set(zip(track[~old][rows], window.track[columns], strict=True))
            for theirs, right in named:
                if theirs < len(shared):
                    pairs, of_pairs = pairs + 1, of_pairs + shared[theirs, right]
                    rest[theirs] = 0
                rest[:, right] = 0
            others = value(rest)
            assert (pairs + others[0], of_pairs + others[1]) == value(shared), name
        if not tied:
            assert (found.track == track).all(), name
            decided += 1
    assert decided


@pytest.mark.parametrize("part", ["rows", "text"])
def test_rows(recorded, part):
    arrays, meta = recorded.arrays("rounding.npz"), recorded.meta("rounding.npz")
    cases = {name: case for name, case in meta.items() if "interpolate" in case}
    assert cases
    for name, case in cases.items():
        box = arrays[f"{name}/bbox"].astype(np.float64)
        found = finish_tracks(
            TrackRows(arrays[f"{name}/frame"], arrays[f"{name}/id"], box),
            case["min_track_len"],
            case["interpolate"],
        )
        ours = np.column_stack([found.frame, found.track, found.box + [1, 1, 0, 0]])
        if part == "rows":
            np.testing.assert_allclose(ours, arrays[f"{name}/rows"][:, :6], rtol=0, atol=1e-9)
        else:
            for row, line in zip(ours, arrays[f"{name}/text_head"], strict=False):
                np.testing.assert_allclose(row, [float(x) for x in str(line).split(",")[:6]])
