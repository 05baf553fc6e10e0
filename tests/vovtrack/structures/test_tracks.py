from __future__ import annotations

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.structures import TrackSequence, Vocabulary

ROWS = {
    "frame_ids": [2, 0, 2, 0],
    "bboxes": np.array([[0, 0, 5, 5], [1, 1, 6, 6], [2, 2, 7, 7], [3, 3, 8, 8]], float),
    "track_ids": [4, 4, 1, -1],
    "labels": [0, 1, 0, 1],
    "scores": [0.1, 0.2, 0.3, 0.4],
}


def sequence(**changes) -> TrackSequence:
    vocabulary = Vocabulary.from_names(["cat", "dog"])
    fixed = {"name": "clip", "width": 20, "height": 10, "num_frames": 3, "vocabulary": vocabulary}
    return TrackSequence(**{**fixed, **ROWS, **changes})


def test_rows_are_sorted_by_frame_and_keep_their_order_inside():
    tracks = sequence()
    assert tracks.frame_ids.tolist() == [0, 0, 2, 2] and tracks.track_ids.tolist() == [4, -1, 4, 1]
    assert tracks.bboxes[:, 0].tolist() == [1, 3, 0, 2] and len(tracks) == 4
    dtypes = [tracks.bboxes.dtype, tracks.scores.dtype, tracks.labels.dtype]
    assert dtypes == [np.float32, np.float32, np.int64]


def test_frame_returns_its_rows():
    tracks = sequence()
    found = tracks.frame(2)
    assert found.track_ids.tolist() == [4, 1] and found.frame_id == 2
    assert found.names == tracks.vocabulary.names and found.bboxes.shape == (2, 4)
    assert len(tracks.frame(1)) == len(tracks.frame(3)) == 0


def test_select_takes_masks():
    tracks = sequence()
    assert tracks.select(tracks.track_ids >= 0).scores.tolist() == pytest.approx([0.2, 0.1, 0.3])


def test_empty_video():
    empty = {key: np.zeros((0, 4) if key == "bboxes" else 0) for key in ROWS}
    assert len(sequence(**empty)) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bboxes": np.zeros((4, 3))}, r"bboxes has shape \(4, 3\), expected \(4, 4\)"),
        ({"labels": [0, 1]}, r"labels has shape \(2,\)"),
        ({"labels": [0.5, 1, 0, 1]}, "labels holds float64, expected int64"),
        ({"labels": [0, 2, 0, 1]}, r"labels must lie in 0\.\.1; row 1 \(frame 0\)"),
        ({"frame_ids": [3, 0, 2, 0]}, r"frame_ids must lie in 0\.\.2"),
        ({"scores": [0.1, np.nan, 0.3, 0.4]}, "scores must be finite"),
        ({"bboxes": np.full((4, 4), np.inf)}, "bboxes must be finite"),
        ({"bboxes": np.array([[5, 0, 0, 5]] * 4)}, "negative size"),
        ({"track_ids": [4, 4, -2, 0]}, "track_ids must be >= -1"),
        ({"track_ids": [4, 3, 4, 0]}, "track 4 occurs twice in frame 2"),
        ({"image_ids": [1, 2]}, "2 image_ids for 3 frames"),
        ({"width": 0}, "impossible size 0x10"),
    ],
)
def test_bad_values_name_the_video(change, message):
    with pytest.raises(InputError, match=message) as caught:
        sequence(**change)
    assert "Video 'clip'" in str(caught.value)
