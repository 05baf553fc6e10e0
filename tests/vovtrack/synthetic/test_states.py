"""The words for how an object is seen."""

import numpy as np
import pytest

from vovtrack.synthetic.states import MEASURES, STATES, measures_of, states_of
from vovtrack.synthetic.truth import COVER, FrameTruth

SEEN = dict(visibility=1.0, truncation=0.0, blur=0.0, light=1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ("clear",)),
        (dict(visibility=0.8), ("clear",)),
        (dict(visibility=0.7), ("occluded",)),
        (dict(visibility=0.7, truncation=0.3), ("truncated",)),
        (dict(visibility=0.4, truncation=0.3), ("occluded", "truncated")),
        (dict(blur=1.9), ("clear",)),
        (dict(blur=2.0), ("blurry",)),
        (dict(light=0.5), ("dark",)),
        (dict(light=1.4), ("clear",)),
        (dict(visibility=0.3, truncation=0.4, blur=9.0, light=0.2), STATES[1:]),
    ],
)
def test_words_that_apply(change, words):
    assert states_of(**SEEN | change) == words


def test_truncation_alone_never_reads_as_occlusion():
    """A triangle loses a larger part of its area than of its box when its base is cut off."""
    for cut in np.linspace(0, 1, 41):
        assert "occluded" not in states_of((1 - cut) ** 2, cut, 0.0, 1.0)


def test_measures_come_from_the_truth():
    """A square of 4 x 4 pixels: one column outside of the image, one row covered."""
    layers = np.full((6, 6), -1, np.int16)
    layers[1:5, :3] = 0
    layers[4, :3] = COVER
    truth = FrameTruth(
        layers=layers,
        motion=np.zeros((1, 2, 3)),
        background_motion=np.zeros((2, 3)),
        whole_bboxes=np.array([[-1, 1, 3, 5]], np.float32),
        whole_areas=np.array([16.0]),
        blur=np.array([3.5], np.float32),
        light=0.5,
    )
    measures = measures_of(truth, 0)
    assert tuple(measures) == MEASURES
    assert measures == dict(visibility=0.5625, truncation=0.25, blur=3.5, light=0.5)
    assert states_of(**measures) == ("truncated", "blurry", "dark")
