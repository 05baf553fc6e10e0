"""Tracks as JSON come back as they were written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.formats.track_json import TrackJsonWriter, read_content, sequence_of
from vovtrack.structures import TrackSequence, Vocabulary

NAMES = ["red star", "blue circle"]


@pytest.fixture
def sequence() -> TrackSequence:
    """Two tracks in frames 0 and 2 of three; the class of one of them changes."""
    return TrackSequence(
        name="o",
        width=64,
        height=48,
        num_frames=3,
        frame_ids=np.array([0, 0, 2, 2]),
        bboxes=np.array([[1, 2, 3, 4], [5, 6.25, 7, 8], [2, 2, 4, 4], [5, 6, 7, 8]]),
        track_ids=np.array([4, 0, 4, 0]),
        labels=np.array([1, 1, 0, 1]),
        scores=np.array([0.5, 0.25, 0.75, 0.125]),
        vocabulary=Vocabulary.from_names(NAMES),
    )


def write(sequence: TrackSequence, path) -> dict:
    writer = TrackJsonWriter(path, NAMES, video="v.mp4", width=64, height=48, fps=None)
    for frame_id in range(sequence.num_frames):
        writer.write(sequence.frame(frame_id), time=frame_id / 8)
    writer.finish()
    return read_content(path)


def test_round_trip(sequence, tmp_path):
    content = write(sequence, tmp_path / "o.json")
    back = sequence_of(content, tmp_path / "o.json", 64, 48)
    for name in ("frame_ids", "bboxes", "track_ids", "labels", "scores"):
        assert np.array_equal(getattr(back, name), getattr(sequence, name)), name
    assert back.vocabulary.names == tuple(NAMES) and back.num_frames == 3
    assert [frame["time"] for frame in content["frames"]] == [0, 0.125, 0.25]
    whole = dict(first_frame=0, last_frame=2, boxes=2)
    assert content["tracks"] == [
        {"track_id": 0, "class": "blue circle", "score": 0.1875, **whole},
        {"track_id": 4, "class": "red star", "score": 0.625, **whole},  # the first of two equals
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("classes"), "does not come from"),
        (lambda c: c.update(classes="red star"), "'classes' is not a list"),
        (lambda c: c.update(classes=["a", "a"]), "occurs twice"),
        (lambda c: c["frames"][0]["tracks"][0].pop("bbox"), "lacks or misnames 'bbox'"),
        (lambda c: c["frames"][0]["tracks"][0].update({"class": "x"}), "lacks or misnames"),
        (lambda c: c["frames"][0]["tracks"][0].update(track_id=0), "track 0 occurs twice"),
        (lambda c: c["frames"][0]["tracks"][0].update(bbox=[1, 2]), "lacks or misnames"),
        (lambda c: c["frames"][0]["tracks"][0].update(track_id=2**70), "lacks or misnames"),
    ],
)
def test_a_file_that_is_something_else_is_named(sequence, tmp_path, change, message):
    path = tmp_path / "o.json"
    content = write(sequence, path)
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        sequence_of(read_content(path), path, 64, 48)
    assert "o.json" in str(caught.value)
