"""Tracked points as JSON: what is missing stays missing, and what is wrong is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vovtrack.errors import InputError
from vovtrack.formats.point_json import NOWHERE, read_point_results, write_point_results


def frame(index=0, *points) -> dict:
    return dict(frame_index=index, points=list(points) or [point()])


def point(number=0, **changes) -> dict:
    return {"id": number, "x": 1.5, "y": 2.0, "visible": True, **changes}


def results(path, *frames, **more):
    path.write_text(json.dumps({"frames": frames, **more}))
    return read_point_results(path)


PLACES = st.one_of(st.floats(-1e4, 1e4, width=32), st.just(np.float32(1 / 3)))


@given(
    points=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 4), st.just(2)), elements=PLACES
    ),
    seen=st.randoms(use_true_random=False),
)
def test_every_number_comes_back(points, seen, tmp_path_factory):
    visible = np.array([[seen.random() < 0.5 for _ in row] for row in points])
    keypoints = np.concatenate([points, visible[..., None]], axis=2).astype(np.float32)
    path = tmp_path_factory.mktemp("r") / "a.json"
    names = tuple(f"p{n}" for n in range(points.shape[1]))
    write_point_results(path, names, keypoints, dict(width=64))
    found = read_point_results(path)
    assert found.names == names and found.facts["width"] == 64
    np.testing.assert_array_equal(found.keypoints(len(points)), keypoints)


def test_what_is_missing_has_no_place(tmp_path):
    found = results(
        tmp_path / "a.json",
        frame(3, point(7), point(2, x=None)),
        frame(0, point(2, visible=False), {"id": 7, "y": 1.0}),
        frame(1, point(7, x=float("nan"))),
    )
    assert found.num_frames == 4 and found.ids == (2, 7) and found.names == ("2", "7")
    keypoints = found.keypoints(4)
    assert (keypoints[2] == NOWHERE).all()
    assert keypoints[0].tolist() == [[1.5, 2, 0], [*NOWHERE]]
    assert keypoints[3].tolist() == [[*NOWHERE], [1.5, 2, 1]]
    assert (keypoints[1] == NOWHERE).all()
    np.testing.assert_array_equal(found.keypoints(2), keypoints[:2])
    assert (found.keypoints(6)[4:] == NOWHERE).all()


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([frame(-1)], "needs a 'frame_index' from 0 on"),
        ([frame("0")], "needs a 'frame_index' from 0 on"),
        ([dict(points=[])], "needs a 'frame_index' from 0 on"),
        ([frame(4), frame(4)], "frame_index 4 occurs twice"),
        ([frame(0, point(1), point(1))], "an 'id' of its own"),
        ([frame(0, point(-2))], "an 'id' of its own"),
        ([frame(0, 7)], "an 'id' of its own"),
        ([frame(0, point(x="1"))], "must be numbers"),
        ([frame(0, point(x=10**400))], "must be numbers"),
        ([frame(0, point(visible="yes"))], "true or false"),
        ([], "holds no points"),
        ([dict(frame_index=0, points=[])], "holds no points"),
    ],
)
def test_files_that_cannot_be_used(frames, words, tmp_path):
    with pytest.raises(InputError, match=words) as error:
        results(tmp_path / "a.json", *frames)
    assert str(tmp_path / "a.json") in str(error.value)


def test_names_that_do_not_fit(tmp_path):
    with pytest.raises(InputError, match="has a point 3, but 2 'names'"):
        results(tmp_path / "a.json", frame(0, point(3)), names=["a", "b"])
    with pytest.raises(InputError, match="a list of texts"):
        results(tmp_path / "a.json", frame(), names=[1])


def test_numbers_that_ask_for_all_memory(tmp_path):
    found = results(tmp_path / "a.json", frame(1 << 62, point(1 << 62)))
    assert found.num_frames == (1 << 62) + 1 and found.keypoints(3).shape == (3, 1, 3)
    with pytest.raises(InputError, match="more than the 100,000,000"):
        found.keypoints(1 << 40)
