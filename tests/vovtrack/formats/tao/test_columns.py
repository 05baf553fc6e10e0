from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save, save_file

from vovtrack.errors import InputError
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.tao import writer as tao_writer
from vovtrack.formats.tao.columns import ColumnBuilder, columns_path, read_columns, write_columns
from vovtrack.formats.tao.results import NO_TRACK, NO_VIDEO, read_provenance, read_results
from vovtrack.formats.tao.writer import TaoResultWriter

PROVENANCE = {"annotations_sha256": "ab" * 32, "run": "a run, Zürich"}


def row(number: int, **changes) -> dict:
    box = [number / 7, 1e-3 * number, 2.5, 1e5 / 3]
    names = ("image_id", "category_id", "bbox", "score", "track_id", "video_id")
    return {**dict(zip(names, (number, 3, box, number / 9, number, 1), strict=True)), **changes}


def written(folder, rows, provenance=PROVENANCE):
    with TaoResultWriter(folder / "tracks.json", provenance=provenance) as writer:
        writer.write_video(1, rows)
    return folder / "tracks.json", folder / "tracks.columns.safetensors"


def equal(one, two) -> bool:
    return all(
        column.dtype == getattr(two, name).dtype
        and column.tobytes() == getattr(two, name).tobytes()
        for name, column in vars(one).items()
    )


@pytest.fixture(autouse=True)
def stale_columns_are_an_error(recwarn):
    yield
    assert not recwarn.list


@pytest.mark.parametrize("count", [0, 1, 300])
def test_columns_hold_what_the_json_holds(tmp_path, monkeypatch, count):
    path, columns = written(tmp_path, [row(n) for n in range(count)])
    fast = read_results(path)
    monkeypatch.setattr("vovtrack.formats.tao.results._read_fast", lambda *_: pytest.fail("read"))
    assert equal(read_results(path), fast) and equal(read_results(columns), fast)
    monkeypatch.undo()
    columns.rename(tmp_path / "b.columns.safetensors")
    assert equal(read_results(path), fast) and len(fast) == count
    assert equal(read_results(tmp_path / "b.columns.safetensors"), fast)


def test_the_file_is_one_that_safetensors_reads(tmp_path):
    path, columns = written(tmp_path, [row(n) for n in range(5)])
    tensors = load_file(columns)
    assert sorted(tensors) == sorted(row(0))
    assert tensors["bbox"].shape == (5, 4) and tensors["bbox"].dtype == np.float64
    assert tensors["track_id"].tolist() == [0, 1, 2, 3, 4]


def test_the_same_results_give_the_same_bytes(tmp_path):
    (tmp_path / "b").mkdir()
    _, one = written(tmp_path, [row(n) for n in range(5)])
    _, two = written(tmp_path / "b", [row(n) for n in range(5)])
    assert one.read_bytes() == two.read_bytes()


def test_provenance(tmp_path):
    path, columns = written(tmp_path, [row(1)])
    assert read_provenance(path) == read_provenance(columns) == PROVENANCE
    columns.unlink()
    assert read_provenance(path) == read_provenance(tmp_path / "none.json") == {}
    for unusable in ({"json_size": "3"}, {"vote": True}):
        with pytest.raises(InputError, match="must have texts, and keys other than"):
            write_columns(read_results(path), columns, path, unusable)
        with pytest.raises(InputError, match="must have texts"):
            TaoResultWriter(path, provenance=unusable)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("change", [lambda t: t + " ", lambda t: t.replace("0.1", "0.2")])
def test_columns_of_another_content_are_left_aside(tmp_path, change, recwarn):
    path, _ = written(tmp_path, [row(1, score=0.125)])
    path.write_text(change(path.read_text()))
    with pytest.warns(UserWarning, match=r"tracks\.columns\.safetensors was written for another"):
        assert read_results(path).scores[0] == json.loads(path.read_text())[0]["score"]
    with pytest.warns(UserWarning):
        assert read_provenance(path) == {}
    recwarn.clear()


def test_joining_again_renews_the_columns(tmp_path):
    written(tmp_path, [row(1)])
    path, columns = written(tmp_path, [row(2), row(3)], {"run": "second"})
    assert read_columns(columns).image_ids.tolist() == [2, 3]
    assert read_provenance(path) == {"run": "second"}


def test_a_kill_between_the_files_leaves_readable_results(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tao_writer, "write_columns", killed)
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path, [row(1), row(2)])
    assert len(read_results(tmp_path / "tracks.json")) == 2
    monkeypatch.undo()
    TaoResultWriter(tmp_path / "tracks.json").finish()
    assert len(read_columns(tmp_path / "tracks.columns.safetensors")) == 2


def test_detections_have_columns_without_tracks(tmp_path):
    rows = [{key: value for key, value in row(n).items() if key != "track_id"} for n in range(3)]
    path, columns = written(tmp_path, rows)
    assert "track_id" not in load_file(columns) and read_provenance(path) == PROVENANCE
    found = read_results(path, tracks=False)
    assert found.track_ids.tolist() == [NO_TRACK] * 3 and found.image_ids.tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="'track_id' is missing: these are detections"):
        read_results(path)
    columns.unlink()
    assert equal(read_results(path, tracks=False), found)
    with pytest.raises(InputError, match="key 'track_id' is missing"):
        read_results(path)


def test_impossible_values_in_columns_are_named(tmp_path):
    builder = ColumnBuilder()
    builder.add([row(n) for n in range(4)])
    results = builder.results()
    results.bboxes[1, 2], results.scores[2] = -1, np.inf
    path = tmp_path / "a.json"
    path.write_text("[]")
    write_columns(results, columns_path(path), path, {})
    with pytest.raises(InputError, match=r"result 1 \(image 1, video 1\): key 'bbox' .* h >= 0"):
        read_results(path)
    problems = InputFaults(lenient=True)
    assert read_results(path, problems).positions.tolist() == [0, 3]
    assert [found["reason"][:11] for found in problems.listing()] == ["key 'bbox' ", "key 'score'"]


def hostile(change) -> bytes:
    tensors = {
        "image_id": np.arange(3),
        "video_id": np.full(3, NO_VIDEO),
        "track_id": np.arange(3),
        "category_id": np.arange(3),
        "bbox": np.ones((3, 4)),
        "score": np.ones(3),
    }
    metadata = {"format": "vovtrack.tao_results.1", "json_size": "2", "json_sha256": ""}
    change(tensors, metadata)
    return save(tensors, metadata or None)


HOSTILE = {
    "another version": (lambda t, m: m.update(format="vovtrack.tao_results.9"), "of this version"),
    "no metadata": (lambda t, m: m.clear(), "of this version"),
    "no scores": (lambda t, m: t.pop("score"), "column 'score' is missing"),
    "ids as floats": (
        lambda t, m: t.update(image_id=np.ones(3)),
        "'image_id' must be I64 of shape",
    ),
    "small boxes": (lambda t, m: t.update(bbox=np.ones((3, 4), "f4")), "'bbox' must be F64"),
    "boxes of 5": (lambda t, m: t.update(bbox=np.ones((3, 5))), r"not F64 of shape \[3, 5\]"),
    "flat boxes": (lambda t, m: t.update(bbox=np.ones(12)), r"not F64 of shape \[12\]"),
    "a single score": (lambda t, m: t.update(score=np.array(1.0)), "'score' must be F64 of shape"),
    "too few ids": (lambda t, m: t.update(video_id=np.arange(2)), "2 video_ids for 3 scores"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_columns_end_in_a_sentence(tmp_path, case):
    change, message = HOSTILE[case]
    path = tmp_path / "a.columns.safetensors"
    path.write_bytes(hostile(lambda *_: None))
    assert len(read_results(path)) == 3
    path.write_bytes(hostile(change))
    with pytest.raises(InputError, match=message) as caught:
        read_results(path)
    assert str(caught.value).startswith(str(path))


def test_absent_and_foreign_columns(tmp_path):
    with pytest.raises(InputError, match=r"none\.columns\.safetensors: cannot read the columns"):
        read_results(tmp_path / "none.columns.safetensors")
    save_file({"a": np.ones(1)}, tmp_path / "w.columns.safetensors")
    with pytest.raises(InputError, match="not columns of results"):
        read_provenance(tmp_path / "w.columns.safetensors")


GOOD = hostile(lambda *_: None)


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 100, len(GOOD) - 1])
def test_columns_cut_short(tmp_path, cut):
    path = tmp_path / "a.json"
    path.write_text("[]")
    columns_path(path).write_bytes(GOOD[:cut])
    with pytest.raises(InputError, match=r"a\.columns\.safetensors: cannot read the columns"):
        read_results(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "a.columns.safetensors"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255), st.binary(max_size=40))
def test_damaged_columns_give_columns_or_a_sentence(place, at, change, end):
    data = bytearray(GOOD)
    data[at] ^= change
    place.write_bytes(bytes(data) if at % 3 else bytes(data[:at]) + end)
    try:
        assert len(read_results(place)) <= 3
    except InputError as error:
        assert str(place) in str(error)
