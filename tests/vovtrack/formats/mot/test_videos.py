"""Sequences of MOTChallenge as records: halves, visibility, names, and what is wrong with files."""

from __future__ import annotations

from pathlib import Path

import pytest

from vovtrack.errors import InputError
from vovtrack.formats.mot.folders import SequenceInfo
from vovtrack.formats.mot.videos import part_of, read_mot

ROWS = [
    "1,4,10,10,20,30,1,1,1.0",
    "1,9,50,10,20,30,1,1,0.05",
    "2,9,52,10,20,30,0,1,0.3",
    "2,4,12,10,20,30,1,1,1.0",
    "3,2,14,10,20,30,1,1,1.0",
    "3,5,14,10,20,30,1,7,1.0",
    "4,4,14,10,20,30,1,1,1.0",
]


def write(folder: Path, rows: list[str] | None = None, info: str | None = None) -> Path:
    (folder / "gt").mkdir(parents=True)
    (folder / "gt/gt.txt").write_text("\n".join(ROWS if rows is None else rows))
    text = SequenceInfo(folder.name, 4, 100, 60, 25, ".png", "img1").text()
    (folder / "seqinfo.ini").write_text(text if info is None else info)
    return folder.parent


def test_tracks_are_numbered_over_all_sequences_by_time(tmp_path):
    write(tmp_path / "B", ROWS[::-1])
    write(tmp_path / "A")
    first, second = read_mot(tmp_path, digits=8).videos
    assert (first.name, second.name) == ("A", "B")
    assert first.images[2] == "A/img1/00000003.png" and first.sizes[0].tolist() == [100, 60]
    assert first.track_ids.tolist() == [0, 1, 1, 0, 2, 0], "in file order inside a frame"
    assert second.track_ids.tolist() == [3, 4, 4, 3, 5, 4]
    assert first.counts.tolist() == second.counts.tolist() == [2, 2, 1, 1]
    assert first.bboxes[0].tolist() == [10, 10, 30, 40]


def test_hardly_visible_people_are_left_out_or_nobody(tmp_path):
    write(tmp_path / "A")
    (video,) = read_mot(tmp_path, min_visibility=0.1, min_identity_visibility=0.5).videos
    assert video.track_ids.tolist() == [0, -1, 0, 2, 0]
    assert video.counts.tolist() == [1, 2, 1, 1]


@pytest.mark.parametrize(("length", "first"), [(5, 3), (4, 3), (2, 2), (1, 1), (0, 0)])
def test_halves_share_no_frame_and_lose_none(length, first):
    halves = [part_of(length, part) for part in ("first_half", "second_half")]
    assert len(halves[0]) == first
    assert [*halves[0], *halves[1]] == list(range(length)) == list(part_of(length, "all"))


def test_the_second_half_starts_again(tmp_path):
    write(tmp_path / "A")
    (video,) = read_mot(tmp_path, part="second_half").videos
    assert video.images == ("A/img1/000004.png",) and video.numbers.tolist() == [0]
    assert video.track_ids.tolist() == [0]


def test_sequences_are_chosen_by_name(tmp_path):
    for name in ("MOT17-02-DPM", "MOT17-02-FRCNN", "MOT17-04-FRCNN"):
        write(tmp_path / name)
    videos = read_mot(tmp_path, "*-FRCNN").videos
    assert [video.name for video in videos] == ["MOT17-02-FRCNN", "MOT17-04-FRCNN"]
    with pytest.raises(InputError, match="no <sequence>/seqinfo.ini of a name like 'MOT20"):
        read_mot(tmp_path, "MOT20*")


def test_a_test_sequence_without_truth_has_frames_and_a_note(tmp_path):
    write(tmp_path / "A")
    (tmp_path / "A/gt/gt.txt").unlink()
    found = read_mot(tmp_path)
    assert len(found.videos[0]) == 4 and found.videos[0].counts.sum() == 0
    assert found.notes == (f"{tmp_path}: no gt/gt.txt of A: their frames have no boxes.",)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["1,1,nan,10,20,30,1,1,1"], r"gt.txt: line 1 \(frame 1, id 1\): a number is not finite"),
        (["5,1,10,10,20,30,1,1,1"], "line 1 .*expected a frame of 1 to 4"),
        ([*ROWS, ROWS[0]], r"line 8 \(frame 1, id 4\): its id is already in this frame"),
        (["1,1,10,10,20"], "line 1: 5 columns; expected frame,id,x,y,w,h,conf"),
        (["1,1,10,10,-20,30,1,1,1"], "line 1 .*width and height must not be negative"),
    ],
)
def test_broken_rows_are_named(tmp_path, rows, reason):
    with pytest.raises(InputError, match=reason):
        read_mot(write(tmp_path / "A", rows))


@pytest.mark.parametrize(
    ("info", "key"),
    [
        ("[Sequence]\nname=A\nseqLength=4\n", "imWidth=<whole number>"),
        ("[Sequence]\nname=A\nseqLength=many\n", "seqLength=<whole number>"),
        ("seqLength=4\n", "seqLength=<whole number>"),
        (
            "[Sequence]\nname=A\nseqLength=4\nimWidth=9\nimHeight=9\nframeRate=9\n",
            "imDir=<text>",
        ),
    ],
)
def test_a_seqinfo_that_lacks_something_is_named(tmp_path, info, key):
    with pytest.raises(InputError, match=rf"A/seqinfo.ini: expected \[Sequence\] with {key}"):
        read_mot(write(tmp_path / "A", info=info))
