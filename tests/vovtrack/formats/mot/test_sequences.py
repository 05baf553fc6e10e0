from __future__ import annotations

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.formats.mot.sequences import MotWriter, read_sequence
from vovtrack.structures import TrackSequence, Vocabulary


def test_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (30, 2))
    sequence = TrackSequence(
        name="clip",
        width=100,
        height=80,
        num_frames=10,
        frame_ids=np.repeat(np.arange(10), 3),
        bboxes=np.hstack([corners, corners + rng.uniform(1, 30, (30, 2))]),
        track_ids=np.tile([5, 0, -1], 10),
        labels=np.zeros(30, int),
        scores=rng.uniform(0, 1, 30),
        vocabulary=Vocabulary.from_names(["object"]),
    )
    path = tmp_path / "clip.txt"
    writer = MotWriter(path)
    for frame_id in range(10):
        writer.write(sequence.frame(frame_id))
    writer.finish()
    first = path.read_text().splitlines()[0].split(",")
    assert first[:2] == ["1", "5"] and first[-3:] == ["1", "-1", "-1"] and len(first) == 10
    back, kept = read_sequence(path, 100, 80), sequence.select(sequence.track_ids >= 0)
    assert np.array_equal(back.frame_ids, kept.frame_ids) and back.num_frames == 10
    assert np.array_equal(back.track_ids, kept.track_ids) and back.name == "clip"
    assert np.abs(back.bboxes - kept.bboxes).max() < 2e-2
    assert np.allclose(back.scores, kept.scores, rtol=1e-5)


def test_ground_truth_has_classes(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text("2,7,10,20,30,40,1,2,0.5\n\n1,7,10,20,30,40,0,1,1\n")
    sequence = read_sequence(path, 100, 80, 5, Vocabulary.from_names(["pedestrian", "car"]))
    assert sequence.labels.tolist() == [0, 1] and sequence.num_frames == 5
    assert sequence.bboxes[1].tolist() == [10, 20, 40, 60] and sequence.scores.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3,4,5", "line 1: 5 columns"),
        ("1,2,3,4,5,6,1\n1,x,3,4,5,6,1", "line 2: could not convert"),
        ("1,2,nan,4,5,6,1", "line 1: a number is not finite"),
        ("1.5,2,3,4,5,6,1", "line 1: frame must be a whole number, not 1.5"),
        ("9,2,3,4,5,6,1", r"frame_ids must lie in 0\.\.4"),
        ("0,2,3,4,5,6,1", r"frame_ids must lie in 0\.\.4"),
        ("1,2,3,4,5,6,1\n1,2,3,4,5,6,1", "track 2 occurs twice in frame 0"),
        ("1,2,3,4,5,6,1,9,1", "Category id 9"),
    ],
)
def test_bad_rows_name_the_file(tmp_path, text, message):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_sequence(path, 100, 80, 5)
    assert "bad.txt" in str(caught.value)
