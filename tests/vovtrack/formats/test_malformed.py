"""Malformed annotations and results: one sentence that names file, record and expectation."""

from __future__ import annotations

import copy
import gzip
import json
import zipfile

import pytest

from vovtrack.cli.main import main
from vovtrack.errors import InputError
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.formats.tao.results import read_results

GT = {
    "videos": [{"id": 1, "name": "val/one", "width": 100, "height": 50}],
    "images": [
        {"id": 10 + f, "video_id": 1, "frame_index": f, "width": 100, "height": 50}
        for f in range(3)
    ],
    "tracks": [{"id": 7, "category_id": 3, "video_id": 1}],
    "annotations": [
        {"id": f, "image_id": 10 + f, "track_id": 7, "category_id": 3, "video_id": 1, "bbox": box}
        for f, box in enumerate([[1, 2, 3, 4], [1.5, 2, 3, 4], [90, 40, 20, 20]])
    ],
    "categories": [
        {"id": 3, "name": "cat", "frequency": "f"},
        {"id": 4, "name": "dog", "frequency": "r"},
    ],
}
ROWS = [
    {
        "image_id": 10 + f,
        "category_id": 3,
        "bbox": [1, 2.5, 3, 4],
        "score": 0.5,
        "track_id": 7,
        "video_id": 1,
    }
    for f in range(3)
]
HUGE = 1 << 63
DIGITS = int("9" * 400)


def gt(table, position, **changes) -> bytes:
    content = copy.deepcopy(GT)
    content[table][position].update(changes)
    return json.dumps(content).encode()


def tables(**changes) -> bytes:
    return json.dumps({**GT, **changes}).encode()


def merged(**into) -> bytes:
    """``into`` gives the ids merged into category 3 (c3), 4 (c4)."""
    content = copy.deepcopy(GT)
    for category, ids in zip(content["categories"], into.values(), strict=False):
        category["merged"] = ids if not isinstance(ids, tuple) else [{"id": i} for i in ids]
    return json.dumps(content).encode()


def rows(**changes) -> bytes:
    return json.dumps([ROWS[0], {**ROWS[1], **changes}, ROWS[2]]).encode()


def lacking(key) -> bytes:
    return json.dumps([ROWS[0], {k: v for k, v in ROWS[1].items() if k != key}]).encode()


WHOLE, ROW = json.dumps(GT).encode(), json.dumps(ROWS).encode()

ANNOTATIONS = {
    "empty": (b"", "empty"),
    "cut in half": (WHOLE[: len(WHOLE) // 2], "not valid JSON, perhaps cut short"),
    "without its end": (WHOLE[:-1], "not valid JSON, perhaps cut short"),
    "two objects": (WHOLE + WHOLE, "trailing characters"),
    "an array": (b"[]", "expected a JSON object"),
    "a number": (b"3", "expected a JSON object"),
    "null": (b"null", "expected a JSON object"),
    "HTML": (b"<html>404</html>", "not valid JSON"),
    "Latin-1": ('{"name": "Zürich"}'.encode("latin-1"), "not valid JSON"),
    "a zip without the name": (b"PK\x03\x04" + bytes(40), "not valid JSON"),
    "table as object": (tables(images={}), "key 'images' is missing or not a list"),
    "table null": (tables(tracks=None), "key 'tracks' is missing or not a list"),
    "row as number": (tables(videos=[3]), r"videos\[0\] is not a JSON object"),
    "row as list": (tables(images=[[1]]), r"images\[0\] is not a JSON object"),
    "rows mixed": (tables(images=[{"id": 1}, 5]), "key 'video_id' is missing in image 1"),
    "annotation as text": (tables(annotations=["a"]), r"annotations\[0\] is not a JSON object"),
    "id as text": (gt("images", 1, id="11"), "image '?11'? .*whole number of 64 bits, not '11'"),
    "id as float": (gt("tracks", 0, id=7.0), "whole number of 64 bits, not 7.0"),
    "id true": (gt("videos", 0, id=True), "whole number of 64 bits, not True"),
    "id null": (gt("categories", 0, id=None), "whole number of 64 bits, not None"),
    "id too large": (gt("annotations", 1, id=HUGE), f"64 bits, not {HUGE}"),
    "id far too large": (gt("annotations", 1, image_id=DIGITS), "annotation 1 .* 64 bits"),
    "id too small": (gt("tracks", 0, id=-HUGE - 1), "64 bits"),
    "width as text": (gt("videos", 0, width="100"), "key 'width' of video 1 .* not '100'"),
    "name as number": (gt("videos", 0, name=1), "key 'name' of video 1 .* a text, not 1"),
    "image twice": (tables(images=GT["images"][:1] * 2), "image 10 .* occurs twice"),
    "video twice": (tables(videos=GT["videos"] * 2), r"video 1 \('val/one'\) occurs twice"),
    "category twice": (tables(categories=GT["categories"] * 2), "category 3 .* occurs twice"),
    "box infinite": (gt("annotations", 1, bbox=[0, 0, float("inf"), 1]), "annotation 1 .*finite"),
    "box NaN": (gt("annotations", 1, bbox=[float("nan")] * 4), "annotation 1 .* four finite"),
    "box out of range": (WHOLE.replace(b"1.5", b"1e999"), "out of range"),
    "box of true": (gt("annotations", 1, bbox=[True, 0, 1, 1]), "annotation 1 .* four finite"),
    "box of digits": (gt("annotations", 1, bbox=[0, 0, DIGITS, 1]), "annotation 1 .* four finite"),
    "box null": (gt("annotations", 1, bbox=None), "annotation 1 .* a list, not None"),
    "box of lists": (gt("annotations", 1, bbox=[[0], 0, 1, 1]), "annotation 1 .* four finite"),
    "merged into itself": (merged(c3=(3,)), "category 3 goes into 3, which is itself merged"),
    "merged in a circle": (merged(c3=(4,), c4=(3,)), "itself merged into"),
    "merged in a chain": (merged(c3=(4,), c4=(5,)), "category 5 goes into 4, which is itself"),
    "merged into two": (merged(c3=(5,), c4=(5,)), "category 5 is already merged into 3"),
    "merged as number": (merged(c3=5), "key 'merged' of category 3 .* list of categories"),
    "merged as ids": (merged(c3=[5]), "key 'merged' of category 3 .* list of categories"),
    "merged with a text": (merged(c3=("5",)), "key 'merged' of category 3 .* list of categories"),
    "deep": (b'{"videos":' + b"[" * 100_000, "nested too deeply"),
}

STRUCTURE = {
    "empty": (b"", "not a JSON array of results, or cut short, after 0 results"),
    "blank": (b" \n ", "not a JSON array of results"),
    "an object": (b'{"image_id": 1}', "not a JSON array of results"),
    "annotations": (WHOLE, "not a JSON array of results"),
    "null": (b"null", "not a JSON array of results"),
    "zeros": (bytes(99), "not a JSON array of results"),
    "cut in a row": (ROW[:-30], "cut short, after 2 results"),
    "cut behind a row": (ROW[: ROW.index(b"}, ") + 1], "cut short, after 1 results"),
    "comma at the end": (ROW[:-1] + b",]", "cut short, after 3 results"),
    "comma in front": (b"[," + ROW[1:], "not a JSON array"),
    "no comma": (ROW.replace(b"}, {", b"} {"), "after 1 results"),
    "two arrays": (ROW + ROW, "more text after the end"),
    "bracket too many": (ROW + b"]", "more text after the end"),
    "rows by line": (ROW[1:-1].replace(b"}, {", b"}\n{"), "not a JSON array"),
    "single quotes": (ROW.replace(b'"', b"'"), "not a JSON array"),
    "with a mark of byte order": (b"\xef\xbb\xbf" + ROW, "not a JSON array"),
    "UTF-16": (ROW.decode().encode("utf-16"), "not a UTF-8 text file"),
    "not UTF-8 in another key": (rows(note="#").replace(b"#", b"\xff"), "not a UTF-8 text file"),
    "row null": (b"[null]", "result 0: this is not a JSON object"),
    "row as array": (ROW[:-1] + b",[1]]", "result 3: this is not a JSON object"),
    "deep row": (ROW[:-1] + b"," + b"[" * 100_000, "result 3 is nested too deeply"),
    "deep key": (rows(note="#").replace(b'"#"', b'{"a":' * 100_000), "result 1 is nested too"),
    "no image": (lacking("image_id"), r"result 1 \(image not given, video 1\): key 'image_id'"),
    "no category": (lacking("category_id"), r"result 1 \(image 11, video 1\): key 'category_id'"),
    "no score": (lacking("score"), "result 1 .*: key 'score' is missing"),
    "no box": (lacking("bbox"), "result 1 .*: key 'bbox' is missing"),
    "no track": (lacking("track_id"), "result 1 .*: key 'track_id' is missing"),
    "a number of 9999 digits": (rows(score="#").replace(b'"#"', b"9" * 9999), "after 1 results"),
}

ID = "must be a whole number of 64 bits"
RECORDS = {
    "image as text": (rows(image_id="11"), rf"result 1 \(image '11', video 1, .* {ID}"),
    "image as float": (rows(image_id=11.0), rf"result 1 .*image_id 11.0\): .* {ID}"),
    "image true": (rows(image_id=True), rf"result 1 .*image_id True\): .* {ID}"),
    "image null": (rows(image_id=None), f"result 1 .*'image_id' {ID}"),
    "image as list": (rows(image_id=[1]), f"result 1 .*'image_id' {ID}"),
    "image as object": (rows(image_id={"id": 1}), f"result 1 .*'image_id' {ID}"),
    "track too large": (rows(track_id=HUGE), rf"result 1 .*track_id {HUGE}\): .* {ID}"),
    "track far too large": (rows(track_id=DIGITS), rf"result 1 .*'track_id' {ID}"),
    "track too small": (rows(track_id=-HUGE - 1), f"result 1 .*'track_id' {ID}"),
    "category with exponent": (ROW.replace(b": 3,", b": 3e0,"), f"result 0 .*'category_id' {ID}"),
    "video as text": (rows(video_id="one"), f"result 1 .*'video_id' {ID}"),
    "video null": (rows(video_id=None), f"result 1 .*'video_id' {ID}"),
    "score as text": (rows(score="1"), r"result 1 .*score '1'\): key 'score' .* finite number"),
    "score true": (rows(score=True), "result 1 .*'score' .* finite number"),
    "score infinite": (rows(score=float("inf")), "result 1 .*'score' .* finite number"),
    "score out of range": (ROW.replace(b"0.5", b"1e999"), "result 0 .*'score' .* finite"),
    "score NaN": (rows(score=float("nan")), "result 1 .*'score' .* finite number"),
    "score of digits": (rows(score=DIGITS), "result 1 .*'score' .* finite number"),
    "score as list": (rows(score=[0.5]), "result 1 .*'score' .* finite number"),
    "box null": (rows(bbox=None), "result 1 .*'bbox' .* four finite numbers"),
    "box as object": (rows(bbox={"x": 1}), "result 1 .*'bbox' .* four finite numbers"),
    "box of three": (rows(bbox=[1, 2, 3]), "result 1 .*'bbox' .* four finite numbers"),
    "box of five": (rows(bbox=[1, 2, 3, 4, 5]), "result 1 .*'bbox' .* four finite numbers"),
    "box of texts": (rows(bbox=["1", "2", "3", "4"]), "result 1 .*'bbox' .* four finite"),
    "box of true": (rows(bbox=[0, 0, True, 1]), "result 1 .*'bbox' .* four finite numbers"),
    "box NaN": (rows(bbox=[0, 0, float("nan"), 1]), "result 1 .*'bbox' .* four finite"),
    "box infinite": (rows(bbox=[0, 0, float("inf"), 1]), "result 1 .*'bbox' .* four finite"),
    "box of negative width": (rows(bbox=[9, 9, -1, 1]), r"result 1 .*\[9, 9, -1, 1\].*w, h >= 0"),
    "box of negative height": (rows(bbox=[9, 9, 1, -0.1]), "result 1 .* w, h >= 0"),
    "box of infinite area": (rows(bbox=[0, 0, 1e200, 1e200]), "result 1 .*'bbox'"),
    "box of an infinite corner": (rows(bbox=[1e308, 0, 1e308, 0]), "result 1 .*'bbox'"),
}


def packed(tmp_path, name: str, data: bytes):
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.json", data)
    else:
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def sentence(reader, path, message, *options) -> None:
    with pytest.raises(InputError, match=message) as caught:
        reader(path, *options)
    text = str(caught.value)
    assert text.startswith(str(path)) and text.endswith(".") and "\n" not in text
    assert len(text) < len(str(path)) + 400


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.zip"])
def test_sound_files(tmp_path, name):
    assert read_annotations(packed(tmp_path, name, WHOLE)) == GT
    assert len(read_results(packed(tmp_path, name, ROW))) == 3


@pytest.mark.parametrize("case", ANNOTATIONS)
def test_malformed_annotations(tmp_path, case):
    data, message = ANNOTATIONS[case]
    sentence(read_annotations, packed(tmp_path, "a.json", data), message)
    sentence(read_annotations, packed(tmp_path, "a.json.gz", data), message)


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("case", STRUCTURE)
def test_results_that_are_none_are_always_refused(tmp_path, case, lenient):
    data, message = STRUCTURE[case]
    for name in ("a.json", "a.zip"):
        sentence(read_results, packed(tmp_path, name, data), message, InputFaults(lenient))


@pytest.mark.parametrize("case", RECORDS)
def test_impossible_values_are_refused_or_dropped_and_listed(tmp_path, case):
    data, message = RECORDS[case]
    path = packed(tmp_path, "a.json", data)
    sentence(read_results, path, message)
    problems = InputFaults(lenient=True)
    found = read_results(path, problems)
    (listed,) = problems.listing()
    assert listed["file"] == str(path) and listed["count"] == problems.total == 3 - len(found)
    if len(found):
        assert found.positions.tolist() == [0, 2] and found.image_ids.tolist() == [10, 12]
        assert listed["examples"][0].startswith("result 1 (image ")


def test_one_reason_for_one_fault(tmp_path):
    data = [{**ROWS[0], "score": f"{n}"} for n in range(50)]
    problems = InputFaults(lenient=True)
    assert len(read_results(packed(tmp_path, "a.json", json.dumps(data).encode()), problems)) == 0
    (listed,) = problems.listing()
    assert listed["count"] == 50 and len(listed["examples"]) == 20


@pytest.mark.parametrize(
    ("option", "case"),
    [
        *(("--gt", case) for case in ANNOTATIONS),
        *(("--pred", case) for case in (*STRUCTURE, *RECORDS)),
    ],
)
def test_the_command_ends_with_one_sentence_and_writes_nothing(tmp_path, capsys, option, case):
    data, _ = (ANNOTATIONS if option == "--gt" else STRUCTURE | RECORDS)[case]
    files = {"--gt": ("gt.json", WHOLE), "--pred": ("pred.json", ROW)}
    files[option] = (files[option][0], data)
    words = ["evaluate", "--out", str(tmp_path / "out.json"), "--csv", str(tmp_path / "csv")]
    for key, (name, content) in files.items():
        (tmp_path / name).write_bytes(content)
        words += [key, str(tmp_path / name)]
    before = set(tmp_path.iterdir())
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "Traceback" not in printed.err
    assert printed.err.startswith(f"vovtrack evaluate: {tmp_path / files[option][0]}")
    assert printed.err.count("\n") == 1 and set(tmp_path.iterdir()) == before
