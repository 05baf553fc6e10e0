"""Whatever is in a file: the readers return what it says or raise an InputError."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vovtrack.errors import InputError
from vovtrack.files.archives import read_json
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.tao import results as tao_results
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.formats.tao.results import NO_VIDEO, read_results

GT = {
    "videos": [{"id": 1, "name": "v", "width": 9, "height": 9}],
    "images": [{"id": 1, "video_id": 1, "frame_index": 0, "width": 9, "height": 9}],
    "tracks": [{"id": 1, "category_id": 1, "video_id": 1}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "track_id": 1,
            "category_id": 1,
            "video_id": 1,
            "bbox": [1, 2, 3, 4],
        }
    ],
    "categories": [{"id": 1, "name": "c", "merged": [{"id": 2}]}],
}
GT_TEXT = json.dumps(GT).encode()
ROW = {
    "image_id": 11,
    "category_id": 3,
    "bbox": [1, 2.5, 0, 4e1],
    "score": 0.5,
    "track_id": -7,
    "video_id": 1,
}
ROWS_TEXT = json.dumps([ROW, {**ROW, "note": "ä},{"}], ensure_ascii=False).encode()
FEW = settings(max_examples=150, deadline=None)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-1 << 70, 1 << 70)
    | st.floats()
    | st.text()
    | st.sampled_from([*ROW, "},{", "id", "merged"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from([*ROW, *GT, "id"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "a.json"


def values(results) -> list[dict]:
    """The rows again."""
    columns = [column.tolist() for column in vars(results).values()][:-1]
    keys = ("image_id", "video_id", "track_id", "category_id", "bbox", "score")
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]


def said_by(row: dict) -> dict:
    """What a row says; boxes and scores are in double precision, whole numbers of 54 bits too."""
    said = {key: row[key] for key in ROW}
    return said | dict(bbox=[float(value) for value in said["bbox"]], score=float(said["score"]))


def check(path, data: bytes) -> None:
    """Read ``data`` in every way: what is not refused must be what it says."""
    path.write_bytes(data)
    for reader in (read_json, read_annotations):
        try:
            assert reader(path) == json.loads(data)
        except InputError as error:
            assert str(path) in str(error)
    try:
        found = values(read_results(path))
    except InputError as error:
        assert str(path) in str(error)
        said = None
    else:
        said = [said_by({"video_id": NO_VIDEO, **row}) for row in json.loads(data)]
        assert found == said
    problems = InputFaults(lenient=True)
    try:
        assert len(read_results(path, problems)) + problems.total == len(json.loads(data))
        assert (problems.total == 0) == (said is not None)
    except InputError:
        assert said is None


@FEW
@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bytes(place, data):
    check(place, data)


@FEW
@given(JSON)
def test_any_json(place, value):
    check(place, json.dumps(value).encode())


@FEW
@given(
    st.sampled_from(list(GT)), st.sampled_from(["id", "image_id", "bbox", "merged", "name"]), JSON
)
def test_any_value_in_annotations(place, table, key, value):
    check(place, json.dumps({**GT, table: [{**GT[table][0], key: value}]}).encode())
    check(place, json.dumps({**GT, table: [*GT[table], value]}).encode())


@FEW
@example("bbox", [0, 0, 0, (1 << 53) + 1], None)
@given(st.sampled_from([*ROW, "note"]), JSON, JSON)
def test_any_value_in_results(place, key, value, other):
    check(place, json.dumps([ROW, {**ROW, key: value}]).encode())
    check(place, json.dumps([{**ROW, "note": value}, other]).encode())


@pytest.mark.parametrize("text", [GT_TEXT, ROWS_TEXT], ids=["annotations", "results"])
def test_cut_at_every_place(place, text):
    check(place, text)
    for end in range(len(text)):
        place.write_bytes(text[:end])
        for reader in (read_json, read_annotations, read_results):
            with pytest.raises(InputError):
                reader(place)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([GT_TEXT, ROWS_TEXT]),
    st.integers(0, 1000),
    st.integers(0, 3),
    st.binary(max_size=1)
    | st.sampled_from([b'"', b"}", b"]", b",", b"-", b"0", b"e", b"\\", b"["]),
)
def test_damage_at_any_place(place, text, at, gone, new):
    at %= len(text)
    check(place, text[:at] + new + text[at + gone :])


NOTE = st.recursive(
    st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["},{", '"},{"', "}\\,{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NUMBER = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**20)
SIZE = st.floats(0, 1e6) | st.integers(0, 10**20)
INTEGER = st.integers(-1 << 63, (1 << 63) - 1)
RESULT = st.fixed_dictionaries(
    {
        "image_id": INTEGER,
        "category_id": INTEGER,
        "bbox": st.tuples(NUMBER, NUMBER, SIZE, SIZE),
        "score": NUMBER,
        "track_id": INTEGER,
    },
    optional={"video_id": INTEGER, "note": NOTE, "zz": NOTE},
)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(RESULT, max_size=6).flatmap(st.permutations),
    st.randoms(use_true_random=False),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:"), ("\r\n,", ":")]),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
    st.integers(8, 90),
)
def test_cuts_between_rows_do_not_show(place, rows, random, separators, indent, ascii, chunk):
    rows = [dict(random.sample(list(row.items()), len(row))) for row in rows]
    text = json.dumps(rows, separators=separators, indent=indent, ensure_ascii=ascii)
    place.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tao_results, "CHUNK", chunk)
        pieces = tao_results._read_fast(place, True)
        exact = tao_results._read_exactly(place, InputFaults(), True)
    whole = tao_results._read_fast(place, True)
    assert values(exact) == [
        {key: {"video_id": NO_VIDEO, **row}[key] for key in ROW}
        | {"bbox": list(map(float, row["bbox"])), "score": float(row["score"])}
        for row in rows
    ]
    for fast in (pieces, whole):
        if fast is None:  # a cut inside a row, after which the exact reader is asked
            assert re.search(r"\}\s*,\s*\{", "".join(map(json.dumps, rows)))
            continue
        for name, column in vars(exact).items():
            assert column.tobytes() == getattr(fast, name).tobytes()


def test_extreme_numbers_are_read_to_the_last_bit(place):
    numbers = [math.pi, 5e-324, 0.1 + 0.2, 1.7e308, -0.0, 2**53 + 1, 10**22, 9007199254740993.5]
    texts = [*map(json.dumps, numbers), "1E5", "1e-400", "123456789012345678901234567890.125"]
    place.write_text(
        "["
        + ",".join(json.dumps({**ROW, "score": "#"}).replace('"#"', text) for text in texts)
        + "]"
    )
    expected = np.array([float(json.loads(text)) for text in texts])
    for reader in (read_results, lambda path: tao_results._read_exactly(path, InputFaults(), True)):
        assert reader(place).scores.tobytes() == expected.tobytes()
