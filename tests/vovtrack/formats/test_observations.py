"""Stored observations: equal after reading, complete or absent, and noticed when changed."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from vovtrack.errors import InputError
from vovtrack.formats.observations import (
    HEADER,
    ObservationHeader,
    ObservationStore,
    VideoObservations,
)
from vovtrack.structures.thresholds import ScoreThresholds

BOUND_TO = ObservationHeader(
    run="checkpoint abc",
    names=("cat", "dog"),
    category_ids=(4, 9),
    novel=(False, True),
    ann_file="gt.json",
    annotations_sha256="0" * 64,
)


def video(video_id: int = 7, counts=(2, 0, 3)) -> VideoObservations:
    rng = np.random.default_rng(video_id)
    total = sum(counts)
    arrays = dict(
        image_ids=np.arange(len(counts)) + 10,
        counts=np.array(counts),
        bboxes=rng.random((total, 4), np.float32),
        scores=rng.random(total, np.float32),
        labels=rng.integers(0, 2, total),
        embeds=rng.standard_normal((total, 8), np.float32),
        top_scores=rng.random((total, 2), np.float32),
        top_labels=rng.integers(0, 2, (total, 2)),
    )
    return VideoObservations(video_id, arrays, ScoreThresholds(link=0.1, init=0.3))


@pytest.fixture
def store(tmp_path) -> ObservationStore:
    store = ObservationStore.start(tmp_path / "store", BOUND_TO)
    store.write(video())
    return store


def test_what_was_written_is_read(store):
    found = ObservationStore(store.folder).read(7)
    assert found.thresholds == ScoreThresholds(link=0.1, init=0.3)
    for name, array in video().arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array)
    frames = list(found.frames())
    assert [image_id for image_id, _ in frames] == [10, 11, 12]
    assert [len(arrays["scores"]) for _, arrays in frames] == [2, 0, 3]
    assert np.array_equal(frames[2][1]["embeds"], video().arrays["embeds"][2:])


def test_the_same_observations_are_the_same_bytes(store):
    written = {
        (store.write(video()), (store.folder / "7.safetensors").read_bytes())[1] for _ in range(8)
    }
    assert len(written) == 1


def test_classes_are_those_of_the_run(store):
    vocabulary = store.header.vocabulary
    assert vocabulary.names == ("cat", "dog") and vocabulary.category_ids == (4, 9)
    assert vocabulary.novel.tolist() == [False, True]


def test_content_hash_speaks_of_content(store):
    before = store.content_sha256
    store.write(video(8))
    assert store.videos == (7, 8) and store.content_sha256 != before
    store.write(dataclasses.replace(video(8), thresholds=ScoreThresholds(link=0.1, init=0.31)))
    other = store.content_sha256
    store.write(video(8))
    assert other != store.content_sha256


@pytest.mark.parametrize("field", ["run", "annotations_sha256", "names"])
def test_another_run_is_refused(store, field):
    other = dict(run="checkpoint xyz", annotations_sha256="1" * 64, names=("cat", "cow"))
    header = dataclasses.replace(BOUND_TO, **{field: other[field]})
    with pytest.raises(InputError, match="holds the observations of another run"):
        ObservationStore.start(store.folder, header)
    assert ObservationStore.start(store.folder, BOUND_TO).videos == (7,)


def test_a_changed_number_is_noticed(store):
    path = store.folder / "7.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"7\.safetensors' is not what was written"):
        store.read(7)


@pytest.mark.parametrize("keep", [0, 7, 60, 400])
def test_a_cut_file_is_noticed(store, keep):
    path = store.folder / "7.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"7\.safetensors' is missing or damaged"):
        store.read(7)


def test_a_video_that_is_not_there(store):
    with pytest.raises(InputError, match=r"8\.safetensors' is missing"):
        store.read(8)


@pytest.mark.parametrize(
    "metadata",
    [None, {"observations": "{"}, {"observations": "[]"}, {"observations": '{"thresholds": 3}'}],
)
def test_other_tensors_are_not_observations(store, metadata):
    arrays = load_file(store.folder / "7.safetensors")
    save_file(arrays, store.folder / "9.safetensors", metadata)
    with pytest.raises(InputError, match="holds no observations"):
        store.read(9)
    with pytest.raises(InputError, match="holds no observations"):
        _ = store.content_sha256


def test_files_of_others_are_not_videos(store):
    (store.folder / "weights.safetensors").write_bytes(b"")
    assert store.videos == (7,)


def test_a_lacking_array_is_named(store):
    arrays = {name: array for name, array in video(8).arrays.items() if name != "embeds"}
    store.write(VideoObservations(8, arrays))
    with pytest.raises(InputError, match="has no array 'embeds'"):
        store.read(8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "is damaged"),
        ('{"run": "x"}', "is damaged"),
        (None, "holds no observations"),
    ],
)
def test_a_broken_header_is_named(store, text, message):
    path = store.folder / HEADER
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match=message):
        ObservationStore(store.folder)


def test_another_version_is_refused(store):
    path = store.folder / HEADER
    path.write_text(json.dumps(json.loads(path.read_text()) | dict(schema=1)))
    with pytest.raises(InputError, match="of version 1, expected 2"):
        ObservationStore(store.folder)
