"""Labels: short on small frames, beside objects, with names that do not flicker."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vovtrack.ops.voting import majority_class
from vovtrack.visualization import TrackHistory, draw_tracks
from vovtrack.visualization.labels import WIDEST, LabelStyle, place_labels

NAMES = [
    "striped yellow triangle",
    "speaker_(stereo_equipment)",
    "cup",
    "a very long name of many small words that nobody would say",
]


def shared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, m) areas that rectangles share."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    return (high - low).clip(0).prod(-1)


@pytest.mark.parametrize("size", [(192, 256), (240, 320), (384, 512), (720, 1280), (1080, 1920)])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("track_id", [0, 1234])
def test_a_label_takes_a_third_of_the_frame_at_most(size, name, track_id):
    style = LabelStyle.of_frame(*size)
    for score in (None, 0.875):
        text = style.text(name, track_id, score)
        width, height = style.size(text)
        assert width <= WIDEST * size[1]
        assert height <= max(14, 0.04 * size[0])
        assert text.startswith(name[0]) and f"#{track_id}" in text


def test_what_fits_is_shown_first_without_score_then_short():
    large, small = LabelStyle.of_frame(720, 1280), LabelStyle.of_frame(192, 256)
    assert large.text("striped yellow triangle", 7, 0.5) == "striped yellow triangle #7 0.50"
    assert small.text("cup", 7, 0.5) == "cup #7 0.50"
    assert small.text("sheep dog", 7, 0.5) == "sheep dog #7"
    words = small.text("striped yellow triangle", 7, 0.5).split()
    assert [w[0] for w in words] == ["s", "y", "t", "#"] and all(w[-1] == "." for w in words[:3])


def scene(seed: int, n: int = 12, frame=(1280, 720)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    wh = random.uniform(30, 120, (n, 2))
    xy = random.uniform(0, np.array(frame) - wh)
    return np.concatenate([xy, xy + wh], 1), np.tile([[150, 17]], (n, 1))


def own_places(box: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The places beside a box, found by placing its label with each place kept from before."""
    found = [
        place_labels(box[None], size[None], (1280, 720), np.array([k]))[0][0] for k in range(8)
    ]
    return np.stack(found)


@pytest.mark.parametrize("seed", range(8))
def test_labels_lie_inside_and_hide_nothing_where_a_free_place_exists(seed):
    boxes, sizes = scene(seed)
    labels, _ = place_labels(boxes, sizes, (1280, 720))
    assert (labels[:, :2] >= 0).all() and (labels[:, 2:] <= [1280, 720]).all()
    assert ((labels[:, 2:] - labels[:, :2]) == sizes).all()
    hides = shared(labels, boxes).sum(1) > 0
    for i in np.flatnonzero(hides):
        others = np.concatenate([boxes, labels[:i]])
        assert (shared(own_places(boxes[i], sizes[i]), others).sum(1) > 0).all()
    assert hides.mean() < 0.2
    pairs = shared(labels, labels)
    assert (pairs[np.triu_indices(len(labels), 1)] > 0).mean() < 0.02


def test_the_naive_place_would_hide_other_objects():
    """Above the left upper corner, where labels were before: the scenes are not trivial."""
    covered = []
    for seed in range(8):
        boxes, sizes = scene(seed)
        naive = np.concatenate([boxes[:, :2] - [0, 17], boxes[:, :2] + [150, 0]], 1)
        covered.append((shared(naive, boxes).sum(1) > 0).mean())
    assert np.mean(covered) > 0.2


def test_a_label_stays_at_its_side_while_that_is_as_good():
    box, size = np.array([[300.0, 300, 380, 360]]), np.array([[100, 17]])
    for place in range(8):
        _, chosen = place_labels(box, size, (1280, 720), np.array([place]))
        assert chosen.tolist() == [place]
    # Not if it would lie on something there.
    above = np.array([[280.0, 270, 480, 299]])
    both, sizes = np.concatenate([box, above]), np.concatenate([size, size])
    _, chosen = place_labels(both, sizes, (1280, 720), np.array([0, -1]))
    assert chosen[0] != 0


def test_one_box_as_large_as_the_frame_has_a_label():
    labels, _ = place_labels(np.array([[0.0, 0, 64, 48]]), np.array([[90, 12]]), (64, 48))
    assert labels.tolist() == [[0, 0, 90, 12]]


def noisy(seed: int, frames: int = 60) -> np.ndarray:
    """Classes of a track of class 2 that is seen as another in a third of the frames."""
    random = np.random.default_rng(seed)
    labels = np.full(frames, 2)
    wrong = random.random(frames) < 0.33
    labels[wrong] = random.integers(0, 2, wrong.sum())
    return labels


@pytest.mark.parametrize("seed", range(5))
def test_voted_names_do_not_flicker(seed):
    labels, history, shown = noisy(seed), TrackHistory(), []
    for label in labels:
        history.vote(np.array([4]), np.array([label]))
        shown.append(history.label_of(4, int(label)))
    changes = int((np.diff(shown) != 0).sum())
    assert shown[10:] == [2] * 50
    assert changes < int((np.diff(labels) != 0).sum())


def test_of_equal_counts_the_class_shown_before_stays():
    history = TrackHistory()
    for label, shown in zip([5, 1, 1, 5, 5, 1], [5, 5, 1, 1, 5, 5], strict=True):
        history.vote(np.array([0]), np.array([label]))
        assert history.label_of(0, label) == shown
    assert history.label_of(99, 3) == 3


def test_votes_of_a_whole_video_name_a_track_as_its_json_record_does():
    history = TrackHistory()
    labels = np.array([5, 5, 1, 1, 7])
    history.vote(np.zeros(5, int), labels)
    assert history.label_of(0, 7) == majority_class(Counter(labels.tolist())) == 1


def test_the_drawn_name_is_the_voted_one():
    frame = np.zeros((120, 640, 3), np.uint8)
    box, ids = np.array([[200.0, 40, 260, 100]]), np.array([1])

    def drawn(label: int, votes: list[int]) -> np.ndarray:
        history = TrackHistory()
        history.vote(np.full(len(votes), 1), np.array(votes))
        return draw_tracks(frame, box, ids, np.array([label]), None, ["dog", "cat"], history)

    assert (drawn(0, [1, 1, 0]) == drawn(1, [1])).all()
    assert (drawn(0, [0]) != drawn(1, [1])).any()
