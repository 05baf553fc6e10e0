"""Training samples of point trackers: read as they are published and as they are rendered."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.plain_videos import plain_sources
from vovtrack.errors import InputError
from vovtrack.formats.kubric import list_frames, list_samples, read_points
from vovtrack.synthetic.video_set import write_videos


class Runs:
    """What must not be made."""

    def __reduce__(self):
        return print, ("executed",)


def boxed(value: object) -> np.ndarray:
    """An array of one object, as numpy stores a dict."""
    box = np.empty((), dtype=object)
    box[()] = value
    return box


@pytest.fixture
def sample(tmp_path):
    """Where a sample lies, and a function that gives it points."""
    folder = tmp_path / "root/0007"
    (folder / "frames").mkdir(parents=True)

    def write(content: object) -> None:
        np.save(folder / "0007.npy", content, allow_pickle=True)

    return folder, write


def test_rendered_samples_are_read_as_numpy_reads_them(tmp_path):
    root = write_videos(tmp_path / "set", "movi", plain_sources(2))
    samples = list_samples(root)
    assert [path.name for path in samples] == ["plain-00", "plain-01"]
    points, occluded = read_points(samples[1])
    content = np.load(samples[1] / "plain-01.npy", allow_pickle=True).item()
    assert (points == content["coords"]).all() and points.dtype == np.float32
    assert (occluded == content["visibility"]).all() and occluded.any()
    assert len(list_frames(samples[1])) == points.shape[1]


def test_published_samples_are_read(sample):
    folder, write = sample
    coords = np.arange(24, dtype=np.float64).reshape(3, 4, 2)
    coords[1, 2] = np.nan
    hidden = np.zeros((3, 4), bool)
    hidden[1, 2] = True
    write({"coords": coords, "visibility": hidden})
    points, occluded = read_points(folder)
    assert (points[~hidden] == coords[~hidden]).all() and (points[1, 2] == 0).all()
    assert (occluded == hidden).all()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"coords": np.zeros((3, 4, 2)), "visibility": np.zeros((3, 5))}, r"must be \(N, T, 2\)"),
        ({"coords": np.full((1, 1, 2), np.inf), "visibility": np.zeros((1, 1))}, "not finite"),
        ({"coords": np.zeros((3, 4, 2))}, "holds no array 'visibility'"),
        (boxed(["coords"]), "holds no array 'coords'"),
        ({"coords": Runs()}, "only arrays are read"),
        ({"coords": np.array([None, 1], dtype=object)}, "only arrays are read"),
        (np.zeros(3), "holds an array of float64, not a dict"),
    ],
    ids=["shapes", "infinite", "one array", "list", "code", "objects", "plain"],
)
def test_what_is_not_a_sample_is_one_sentence(content, says, sample, capsys):
    folder, write = sample
    write(content)
    with pytest.raises(InputError, match=says) as caught:
        read_points(folder)
    assert "0007.npy" in str(caught.value) and "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_objects_in_objects_without_end_are_refused(sample):
    folder, _ = sample
    loop = boxed(None)
    loop[()] = loop
    (folder / "0007.npy").write_bytes(np_file(loop))
    with pytest.raises(InputError, match="refused or damaged"):
        read_points(folder)


def np_file(value: object) -> bytes:
    """The bytes of a ``.npy`` file with this pickle."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }\n"
    magic = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    return magic + header + pickle.dumps(value)


def test_folders_without_samples_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        list_samples(tmp_path / "none")
    with pytest.raises(InputError, match="holds no sample: each must be a folder"):
        list_samples(tmp_path)
