"""Scalabel JSON: what is read, and whatever else is in the files."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vovtrack.errors import InputError
from vovtrack.formats.bdd100k import CLASSES, IGNORE, read_videos
from vovtrack.formats.faults import InputFaults

BOX = {"x1": 1, "y1": 2.5, "x2": 30, "y2": 40}


def label(**changes) -> dict:
    return {"id": "7", "category": "car", "box2d": dict(BOX), **changes}


def frame(*labels, **changes) -> dict:
    return {"name": "f", "videoName": "v", "frameIndex": 0, "labels": [*labels], **changes}


def read(path, content, lenient: bool = False):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    problems = InputFaults(lenient)
    return read_videos(path, problems), problems


def test_labels(tmp_path):
    content = [
        frame(
            label(),
            label(id=8, category="person", attributes=None),
            label(id="9", category="trailer"),
            label(id="10", attributes={"crowd": True, "occluded": "maybe"}),
            label(id="11", category="motor", attributes={"Crowd": False, "ignored": 0}),
            frameIndex=3,
        ),
        frame(label(category="van"), frameIndex=1),
        {"videoName": "u", "index": 0, "labels": None},
    ]
    videos, _ = read(tmp_path / "a.json", {"frames": content, "config": {}})
    assert list(videos) == ["u", "v"] and videos["u"].frames == {0} and not videos["u"].times
    video = videos["v"]
    assert video.frames == {1, 3} and video.times == [3, 3, 3, 3, 3, 1]
    expected = ["car", "pedestrian", IGNORE, IGNORE, "motorcycle", "car"]
    assert [k if k == IGNORE else CLASSES[k] for k in video.classes] == expected
    assert video.tracks().tolist() == [0, 1, 2, 3, 4, 0]
    assert video.corners[0] == [1, 2.5, 30, 40]


def test_a_gigantic_id_costs_its_own_length_only(tmp_path):
    labels = [label(id=str(k)) for k in range(1000)] + [label(id="9" * 10**6)]
    videos, _ = read(tmp_path / "a.json", [frame(*labels)])
    assert videos["v"].tracks().tolist() == list(range(1001))


def box(**changes) -> dict:
    return label(box2d={**BOX, **changes})


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (3, "this is not a JSON object"),
        (label(id=None), "'id' must be a text or a whole number"),
        (label(id=1.5), "'id' must be a text or a whole number"),
        (label(id=True), "'id' must be a text or a whole number"),
        (label(id=5), "its id is already in this frame"),
        (label(box2d=None), "'box2d' must have finite numbers"),
        (label(box2d=[1, 2, 3, 4]), "'box2d' must have finite numbers"),
        (box(x1="1"), "'box2d' must have finite numbers"),
        (box(y2=float("inf")), "'box2d' must have finite numbers"),
        (box(y2=True), "'box2d' must have finite numbers"),
        (box(x2=0.5), "its box has a negative size"),
        (box(x1=-1e308, x2=1e308), "the area of its box is not finite"),
        (box(x2=10**200, y2=10**200), "the area of its box is not finite"),
        (label(attributes=["crowd"]), "'attributes' must be an object"),
        (label(attributes={"crowd": "false"}), "'crowd' and 'ignored' must be true or false"),
        (label(category="cow"), "its category is not one of BDD100K"),
        (label(category=None), "its category is not one of BDD100K"),
        (label(category=[]), "its category is not one of BDD100K"),
    ],
)
def test_impossible_labels_are_refused_or_dropped_and_listed(tmp_path, wrong, reason):
    path, content = tmp_path / "a.json", [frame(label(id="5"), wrong, label(id="6"), frameIndex=4)]
    with pytest.raises(InputError, match=reason) as caught:
        read(path, content)
    message = str(caught.value)
    assert message.startswith(f"{path}: label 1 of frame 4 of video 'v': ") and message[-1] == "."
    videos, problems = read(path, content, lenient=True)
    assert videos["v"].ids == ["5", "6"]
    (listed,) = problems.listing()
    assert listed["count"] == 1 and listed["examples"] == ["label 1 of frame 4 of video 'v'"]


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the file is empty"),
        ("[{", "not valid JSON"),
        ("3", "expected a list of frames, or an object with 'frames'"),
        ({"labels": []}, "expected a list of frames, or an object with 'frames'"),
        ([3], "frame at position 0 has no 'videoName'"),
        ([frame(), frame(videoName=5)], "frame at position 1 has no 'videoName'"),
        ([frame(frameIndex=-1)], "position 0 has no 'frameIndex'"),
        ([frame(frameIndex=1.0)], "position 0 has no 'frameIndex'"),
        ([frame(frameIndex=10**30)], "position 0 has no 'frameIndex'"),
        ([frame(labels="none")], "position 0: 'labels' must be a list"),
        ([frame(), frame()], "frame 0 of video 'v' occurs twice"),
    ],
)
def test_structure_is_always_refused(tmp_path, content, reason, lenient):
    with pytest.raises(InputError, match=reason) as caught:
        read(tmp_path / "a.json", content, lenient)
    assert str(caught.value).startswith(str(tmp_path / "a.json"))


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*BOX, "id", "crowd"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["id", "category", "box2d", "attributes", "label", "labels"]), VALUE)
def test_any_value(tmp_path_factory, key, value):
    path = tmp_path_factory.getbasetemp() / "any.json"
    content = [frame(label(id="5"), label(), frameIndex=4)]
    changed = copy.deepcopy(content)
    if key == "labels":
        changed[0]["labels"] = value
    elif key == "label":
        changed[0]["labels"][1] = value
    else:
        changed[0]["labels"][1][key] = value
    try:
        videos, problems = read(path, changed, lenient=True)
    except InputError as error:
        assert str(path) in str(error)
        return
    assert len(videos["v"].times) + problems.total == len(changed[0]["labels"] or ())
    assert len(videos["v"].tracks()) == len(videos["v"].corners)
    if problems.total:
        with pytest.raises(InputError):
            read(path, changed)
