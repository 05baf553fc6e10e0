"""The MOTChallenge family from files: presets, sequence maps, classes, pieces and order."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.evaluation import evaluate
from vovtrack.evaluation.benchmarks import find_family
from vovtrack.evaluation.benchmarks.mot import open_source
from vovtrack.evaluation.scores.statistics import merge
from vovtrack.formats.faults import InputFaults


@pytest.fixture
def folders(repo_root, tmp_path):
    """Copies of the ground truth and of the results of three sequences, to be changed."""
    root = repo_root / "tests/data/evaluation/mot"
    gt, pred = tmp_path / "gt", tmp_path / "pred"
    shutil.copytree(root / "gt/MOT17-train", gt)
    shutil.copytree(root / "trackers/MOT17-train/syn/data", pred)
    return gt, pred


@pytest.fixture(scope="module")
def originals(repo_root):
    root = repo_root / "tests/data/evaluation/mot"
    return root / "gt/MOT17-train", root / "trackers/MOT17-train/syn"


def rename(folders: tuple[Path, Path], old: str, new: str) -> None:
    (folders[0] / old).rename(folders[0] / new)
    (folders[1] / f"{old}.txt").rename(folders[1] / f"{new}.txt")


def test_pieces_of_a_copied_source_are_the_whole_digit_by_digit(originals):
    source = open_source(*originals, InputFaults())
    copy = pickle.loads(pickle.dumps(source))
    whole = source.count(0, 3)
    parts = [copy.count(0, 1), copy.count(1, 1), copy.count(1, 3)]
    for family, counts in whole.items():
        joined = merge([part[family] for part in parts])
        assert joined.videos == counts.videos == ("SYN-0", "SYN-1", "SYN-2")
        for name, column in counts.columns.items():
            assert np.array_equal(joined.columns[name], column), name
        assert find_family(family).summary(joined) == find_family(family).summary(counts)


def test_the_order_of_sequences_does_not_matter(folders, originals):
    before = evaluate("mot17", *originals)["summary"]["all"]
    rename(folders, "SYN-0", "ZZZ")
    after = evaluate("mot17", *folders)
    assert list(after["per_video"]) == ["SYN-1", "SYN-2", "ZZZ"]
    assert after["summary"]["all"] == pytest.approx(before, rel=1e-12)


def test_results_in_the_layout_of_trackeval(originals, tmp_path):
    expected = evaluate("mot17", *originals)["summary"]
    tracker = tmp_path / "tracker"
    shutil.copytree(originals[1], tracker)
    (tracker / "pedestrian_summary.txt").write_text("HOTA DetA\n1 2\n")
    found = evaluate("mot17", originals[0].parent, tracker)
    assert found["summary"] == expected
    shutil.copytree(originals[1], tracker / "another")
    with pytest.raises(InputError, match="'another/data/SYN-0.txt' and 'data/SYN-0.txt' are of"):
        evaluate("mot17", originals[0], tracker)


def test_a_sequence_map_chooses(folders, tmp_path):
    seqmap = tmp_path / "map.txt"
    seqmap.write_text("name\nSYN-2\nSYN-0\n\n")
    (folders[0] / "SYN-1/seqinfo.ini").unlink()  # not asked for, not read
    found = evaluate("mot17", *folders, seqmap=str(seqmap))
    assert list(found["per_video"]) == ["SYN-0", "SYN-2"]
    assert found["protocol"]["seqmap"] == str(seqmap) and found["protocol"]["videos"] == 2
    (folders[1] / "SYN-9.txt").write_text("")
    with pytest.raises(InputError, match="SYN-9.txt: the ground truth has no such sequence"):
        evaluate("mot17", *folders, seqmap=seqmap)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name\n", "expected one sequence per line under 'name'"),
        ("", "expected one sequence per line"),
        ("name\nSYN-0\nSYN-0\n", "sequence 'SYN-0' is listed twice"),
        ("name\nSYN-7\n", "has no ground truth of sequence 'SYN-7'"),
        ("seqs\nSYN-0\n", "has no ground truth of sequence 'seqs'"),
        (b"\xff\xfe\x00", "has no ground truth of sequence"),
    ],
)
def test_faulty_sequence_maps_are_named(folders, tmp_path, text, reason):
    seqmap = tmp_path / "map.txt"
    seqmap.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=reason) as caught:
        evaluate("mot17", *folders, seqmap=seqmap)
    assert str(caught.value).startswith(str(seqmap))


def test_presets_differ_in_what_they_forgive(originals):
    found = {
        name: evaluate(name, *originals) for name in ("mot17", "mot20", "dancetrack", "sportsmot")
    }
    fp = {name: report["summary"]["all"]["FP"] for name, report in found.items()}
    assert fp["mot20"] <= fp["mot17"] < fp["dancetrack"] == fp["sportsmot"]
    assert {name: report["protocol"]["preset"] for name, report in found.items()} == {
        name: name for name in found
    }
    with pytest.raises(InputError, match="benchmark is 'mot16', expected one of mot17"):
        open_source(*originals, InputFaults(), benchmark="mot16")


def test_the_fingerprint_is_of_contents(folders, originals):
    first, second = (evaluate("mot17", *pair)["protocol"] for pair in (folders, originals))
    keys = ("annotations_sha256", "predictions_sha256")
    assert [first[key] for key in keys] == [second[key] for key in keys]
    text = (folders[1] / "SYN-0.txt").read_text()
    (folders[1] / "SYN-0.txt").write_text("\n" + text.replace("\n", "\r\n"))
    assert evaluate("mot17", *folders)["protocol"][keys[1]] == first[keys[1]]
    (folders[1] / "SYN-0.txt").write_text(text + "80,12345,1,1,5,5,1\n")
    assert evaluate("mot17", *folders)["protocol"][keys[1]] != first[keys[1]]


def test_another_class_is_refused_or_dropped_with_file_and_line(folders):
    rows = (folders[1] / "SYN-0.txt").read_text()
    (folders[1] / "SYN-0.txt").write_text("\n3,77,10,10,5,5,1,4,1\n" + rows)
    with pytest.raises(InputError, match="line 2 of SYN-0, frame 3, id 77 has class 4: only ped"):
        evaluate("sportsmot", *folders)
    found = evaluate("sportsmot", *folders, lenient=True)
    (dropped,) = found["dropped"]
    assert dropped["examples"] == ["line 2 of SYN-0, frame 3, id 77 has class 4"]
    (folders[1] / "SYN-0.txt").write_text(rows)
    assert evaluate("sportsmot", *folders)["summary"] == found["summary"]


@pytest.mark.parametrize("row", ["1,1,9,9,5,5,1", "1,1,9,9,5,5,1,-1,-1", "1,1,9,9,5,5,1,14,1"])
def test_ground_truth_without_a_known_class_is_not_taken_for_empty(folders, row):
    (folders[0] / "SYN-0/gt/gt.txt").write_text(row)
    with pytest.raises(
        InputError, match="line 1 of SYN-0, .*: ground truth has a class of 1 to 13"
    ):
        evaluate("dancetrack", *folders)


def test_a_sequence_without_ground_truth(folders):
    (folders[0] / "SYN-0/gt/gt.txt").write_text("")
    found = evaluate("mot17", *folders)
    assert found["per_video"]["SYN-0"] is None
    lines = len((folders[1] / "SYN-0.txt").read_text().splitlines())
    rest = sum(found["per_video"][name]["FP"] for name in ("SYN-1", "SYN-2"))
    assert found["summary"]["all"]["FP"] == rest + lines
