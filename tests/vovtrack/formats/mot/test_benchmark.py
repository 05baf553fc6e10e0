"""MOTChallenge benchmarks in columns: what is read, and whatever else is in the files."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vovtrack.errors import InputError
from vovtrack.files.archives import FileTree
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.mot.benchmark import find_sequences
from vovtrack.formats.mot.rows import NO_CLASS, read_rows


def read(folder, text: str | bytes, lenient: bool = False):
    """Rows of a file in a video of ten frames, and what was dropped."""
    (folder / "a.txt").write_bytes(text.encode() if isinstance(text, str) else text)
    problems = InputFaults(lenient)
    return read_rows(FileTree(folder), "a.txt", 10, problems), problems


def test_columns(tmp_path):
    rows, _ = read(tmp_path, "2,0,1.5,-2,3,4,.5\r\n\n 1 , 7,1,2,0,0,0,12,0.25\n1,3,1,2,3,4,1,,,\n")
    assert rows.lines.tolist() == [1, 3, 4]
    assert rows.frames.tolist() == [2, 1, 1] and rows.tracks.tolist() == [0, 7, 3]
    assert rows.bboxes[0].tolist() == [1.5, -2, 3, 4]
    assert rows.confidences.tolist() == [0.5, 0, 1]
    assert rows.classes.tolist() == [NO_CLASS, 12, NO_CLASS]
    assert len(read(tmp_path, " \n")[0].frames) == len(read(tmp_path, "")[0].frames) == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,1,1,1,5,5,nan", "a number is not finite"),
        ("1,1,1,1,5,5,inf", "a number is not finite"),
        ("1,1,nan,1,5,5,1", "a number is not finite"),
        ("1,1,1.5e308,1,1e308,0.5,1", "a number is not finite"),  # its right side is
        ("1,1,1,1,1e200,1e200,1", "a number is not finite"),  # its area is
        ("1,1,1,1,5,-0.1,1", "width and height must not be negative"),
        ("11,1,1,1,5,5,1", "expected a frame of 1 to 10"),
        ("0,1,1,1,5,5,1", "expected a frame of 1 to 10"),
        ("1,-1,1,1,5,5,1", "expected an id of at least 0"),
        ("3,4,1,1,5,5,1", "its id is already in this frame"),
    ],
)
def test_impossible_rows_are_refused_or_dropped_and_listed(tmp_path, row, reason):
    text = f"3,4,9,9,2,2,1\n\n{row}\n4,4,9,9,2,2,1"
    with pytest.raises(InputError, match=reason) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/a.txt: line 3 (frame ") and message.endswith(".")
    rows, problems = read(tmp_path, text, lenient=True)
    assert rows.lines.tolist() == [1, 4]
    (listed,) = problems.listing()
    assert listed["count"] == 1 and listed["reason"].startswith(reason)


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,1,1,1,5,5", "line 1: 6 columns; expected frame,id,x,y,w,h,conf"),
        ("1 1 1 1 5 5 1", "line 1: 1 columns"),
        ("1,1,1,1,5,5,1\n1,1,1,1,5,high,1", "line 2: could not convert string to float: 'high'"),
        ("1,1,1,1,5,,1", "line 1: could not convert"),
        ("frame,id,x,y,w,h,conf", "line 1: could not convert"),
        ("1,1.5,1,1,5,5,1", "line 1: id must be a whole number, not 1.5"),
        ("inf,1,1,1,5,5,1", "line 1: frame must be a whole number, not inf"),
        ("1,1,1,1,5,5,1,0.5", "line 1: class must be a whole number, not 0.5"),
        (f"1,{2**53 + 2},1,1,5,5,1", "line 1: id must be a whole number"),
        ("1,1,1,1,5,5,1\x00", "line 1: could not convert"),
        (b"\xff\xfe1\x00,\x00", "not a UTF-8 text file"),
        ("[{}]", "line 1: 1 columns"),
    ],
)
def test_lines_that_are_not_rows_are_always_refused(tmp_path, text, reason, lenient):
    with pytest.raises(InputError, match=reason) as caught:
        read(tmp_path, text, lenient)
    assert str(caught.value).startswith(f"{tmp_path}/a.txt") and "\n" not in str(caught.value)


CELL = (
    st.integers(-2, 12).map(str)
    | st.floats(width=32).map(str)
    | st.sampled_from(["", " ", "nan", "1e309", "x", "-1", "1.0", "9" * 30, "\t", "٣"])
)
LINE = st.lists(CELL, min_size=0, max_size=10).map(",".join)
GOOD = st.tuples(st.integers(1, 10), st.integers(0, 3)).map(lambda p: f"{p[0]},{p[1]},1,2,3,4,1")


@settings(max_examples=300, deadline=None)
@given(st.lists(GOOD | LINE, max_size=6).map("\n".join) | st.text(max_size=40) | st.binary())
def test_any_text(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    try:
        rows, problems = read(folder, text, lenient=True)
    except InputError as error:
        assert str(folder / "a.txt") in str(error)
        return
    whole = text if isinstance(text, str) else text.decode()
    assert len(rows.frames) + problems.total == sum(bool(x.strip()) for x in whole.splitlines())
    assert np.isfinite(rows.bboxes).all() and (rows.bboxes[:, 2:] >= 0).all()
    assert len({*zip(rows.frames.tolist(), rows.tracks.tolist(), strict=True)}) == len(rows.frames)
    if problems.total:
        with pytest.raises(InputError):
            read(folder, text)


def test_sequences_of_folders_and_archives(tmp_path):
    files = ["b/gt/gt.txt", "part/a/gt/gt.txt", "b/notgt/gt.txt", "b/gt/gt_val_half.txt"]
    archive = tmp_path / "gt.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for name in files:
            target.writestr(name, "")
            (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "tree" / name).write_text("")
    for place in (archive, tmp_path / "tree"):
        assert list(find_sequences(place).items()) == [("a", "part/a/"), ("b", "b/")]
    assert list(find_sequences(tmp_path / "tree/b").values()) == [""]  # one sequence by itself
    (tmp_path / "tree/other/b/gt").mkdir(parents=True)
    (tmp_path / "tree/other/b/gt/gt.txt").write_text("")
    with pytest.raises(InputError, match="two sequences are called 'b'"):
        find_sequences(tmp_path / "tree")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found no <sequence>/gt/gt.txt"):
        find_sequences(tmp_path / "empty")
