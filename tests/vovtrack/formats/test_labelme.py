"""Points of labelme: which shapes count, and files that cannot be used."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.formats.labelme import read_points, write_points


def shape(kind="point", points=((5.5, 6.25),), label="cup") -> dict:
    return dict(label=label, points=points, shape_type=kind, group_id=None, flags={})


def labelled(path, *shapes, **more):
    path.write_text(json.dumps({"version": "4.0.0", "shapes": shapes, **more}))
    return path


def test_the_first_place_of_each_point_counts(tmp_path):
    path = labelled(
        tmp_path / "a.json",
        *(shape("polygon", [[1, 1], [2, 2], [3, 1]]), shape(label="b"), shape(points=[])),
        shape(points=[[7, 8], [0, 0]], label="a"),
        shape(label="b", points=[[63.9, 47.9]]),
    )
    names, points = read_points(path, 64, 48)
    assert names == ("b", "a", "b")
    np.testing.assert_array_equal(points, np.float32([[5.5, 6.25], [7, 8], [63.9, 47.9]]))


def test_what_is_written_is_read_again(tmp_path):
    points = np.float32([[1 / 3, 2], [50, 40.7]])
    write_points(tmp_path / "a.json", "a.png", 64, 48, ["x", "y"], points)
    names, found = read_points(tmp_path / "a.json", 64, 48)
    assert names == ("x", "y")
    np.testing.assert_array_equal(found, points)
    content = json.loads((tmp_path / "a.json").read_text())
    assert {"version", "imagePath", "imageData", "imageHeight", "imageWidth"} < set(content)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([shape("polygon"), shape("polygon"), shape("line")], "holds no points but 2 polygon, 1"),
        ([], "holds no points but no shapes"),
        ([shape(points=[[64, 5]])], "point 0 at 64, 5 is outside of the image of 64x48"),
        ([shape(), shape(points=[[-0.1, 5]])], "point 1 at -0.1, 5 is outside"),
        ([shape(points=[[1e300, 5]])], "outside"),
        ([shape(points=[["1", 5]])], "two numbers"),
        ([shape(points=[[1, 2, 3]])], "two numbers"),
        ([shape(points="ab")], "two numbers"),
        ([7], "not a file of labelme"),
    ],
)
def test_files_that_cannot_be_used(shapes, words, tmp_path):
    path = labelled(tmp_path / "a.json", *shapes)
    with pytest.raises(InputError, match=words) as error:
        read_points(path, 64, 48)
    assert str(path) in str(error.value)


def test_labels_of_an_image_of_another_size(tmp_path):
    path = labelled(tmp_path / "a.json", shape(), imageWidth=640, imageHeight=480)
    with pytest.raises(InputError, match="made for an image of 640x480, not 64x48"):
        read_points(path, 64, 48)
