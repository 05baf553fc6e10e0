from __future__ import annotations

import gzip
import io
import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vovtrack.errors import InputError
from vovtrack.files import archives
from vovtrack.files.archives import FileTree, open_binary, read_json

CONTENT = {"a": [1, 2.5, None, "ö"], "b": {"c": True}}
TEXT = json.dumps(CONTENT, ensure_ascii=False).encode()


def zipped(*files: tuple[str, bytes], method=zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return data.getvalue()


def stored(tmp_path, name: str, data: bytes):
    path = tmp_path / name
    path.write_bytes(data)
    return path


PACKED = {
    "a.json": TEXT,
    "a.json.gz": gzip.compress(TEXT),
    "two_members.json.gz": gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
    "a.zip": zipped(("a.json", TEXT)),
    "A.ZIP": zipped(("folder/a.json", TEXT)),
    "mac.zip": zipped(("a.json", TEXT), ("__MACOSX/._a.json", b"?")),
    "bz.zip": zipped(("a.json", TEXT), method=zipfile.ZIP_BZIP2),
    "lzma.zip": zipped(("a.json", TEXT), method=zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("name", PACKED)
def test_all_kinds_of_packing_give_the_same(tmp_path, name):
    path = stored(tmp_path, name, PACKED[name])
    assert read_json(path) == CONTENT
    with open_binary(path) as file:
        assert file.read(3) == TEXT[:3] and file.readline() == TEXT[3:]


def test_an_error_of_the_caller_stays_what_it_is(tmp_path):
    for name in ("a.json", "a.json.gz", "a.zip"):
        path = stored(tmp_path, name, PACKED[name])
        with pytest.raises(OSError, match="disk full"), open_binary(path):
            raise OSError("disk full")


def test_not_a_number_only_on_request(tmp_path):
    path = stored(tmp_path, "a.json", b'{"box": [0, -Infinity]}')
    assert read_json(path, allow_nan=True) == {"box": [0, float("-inf")]}
    with pytest.raises(InputError, match=r'a\.json: not valid JSON.*after .*"box": \[0, -I'):
        read_json(path)


BOMB = gzip.compress(bytes(30_000_000))
BAD = {
    "empty": ("a.json", b"", "the file is empty"),
    "blank": ("a.json", b" \n\t", "the file is empty"),
    "cut": ("a.json", TEXT[:-5], "perhaps cut short"),
    "two values": ("a.json", b"{} {}", "trailing characters"),
    "not UTF-8": ("a.json", b'["\xff"]', "not valid JSON.*utf-8"),
    "UTF-16": ("a.json", TEXT.decode().encode("utf-16"), "not valid JSON"),
    "a number out of range": ("a.json", b"[1e999]", "out of range"),
    "a whole number of 9999 digits": ("a.json", b"9" * 9999, "out of range"),
    "deep": ("a.json", b"[" * 200_000, "nested too deeply"),
    "deep and closed": ("a.json", b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
    "text": ("a.json", b"Not Found", "not valid JSON"),
    "gz that is none": ("a.json.gz", TEXT, "damaged.*[Nn]ot a gzip"),
    "gz cut short": ("a.json.gz", gzip.compress(TEXT)[:-9], "cut short or damaged"),
    "gz with a wrong sum": ("a.json.gz", gzip.compress(TEXT)[:-8] + bytes(8), "CRC"),
    "gz bomb": ("a.json.gz", BOMB, "more than 200 times"),
    "zip that is none": ("a.zip", TEXT, "whole .zip archive"),
    "zip cut short": ("a.zip", PACKED["a.zip"][:-9], "whole .zip archive"),
    "zip cut in front": ("a.zip", PACKED["a.zip"][9:], "damaged|whole .zip"),
    "zip of nothing": ("a.zip", zipped(), "expected one file in the archive, found 0"),
    "zip of two": ("a.zip", zipped(("a", b"1"), ("b", b"2")), "one file .* found 2"),
    "zip that leads up": ("a.zip", zipped(("../a.json", TEXT)), "leads outside"),
    "zip that leads up, DOS": ("a.zip", zipped(("..\\a.json", TEXT)), "leads outside"),
    "zip with a root": ("a.zip", zipped(("/etc/a.json", TEXT)), "leads outside"),
    "zip bomb": ("a.zip", zipped(("a.json", bytes(30_000_000))), "more than 200 times"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_end_in_a_sentence(tmp_path, case):
    name, data, message = BAD[case]
    path = stored(tmp_path, name, data)
    with pytest.raises(InputError, match=message) as caught:
        read_json(path)
    assert str(caught.value).startswith(str(path)) and str(caught.value).endswith(".")
    with pytest.raises(InputError, match=message):
        read_json(path, allow_nan=True)


def test_a_locked_archive(tmp_path):
    data = bytearray(PACKED["a.zip"])
    data[6] |= 1  # the flag in the file's own header and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="encrypted"):
        read_json(stored(tmp_path, "a.zip", bytes(data)))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice(tmp_path):
    path = stored(tmp_path, "a.zip", zipped(("a", b"1"), ("a", b"2")))
    with pytest.raises(InputError, match="two files of the name 'a'"):
        FileTree(path)


def test_folders_and_absent_files(tmp_path):
    with pytest.raises(InputError, match="this is a folder"):
        read_json(tmp_path)
    for name in ("none.json", "none.json.gz", "none.zip", "none/none.json", "a\0b"):
        with pytest.raises(InputError, match="cannot read the file"):
            read_json(tmp_path / name)
    with pytest.raises(InputError, match="cannot read the file"):
        FileTree(tmp_path / "none")


def test_the_limit_of_size(tmp_path, monkeypatch):
    path = stored(tmp_path, "a.json.gz", gzip.compress(b'"' + b"a" * 998 + b'"'))
    monkeypatch.setattr(archives, "MAX_UNPACKED", 1000)
    assert len(read_json(path)) == 998
    monkeypatch.setattr(archives, "MAX_UNPACKED", 999)
    with pytest.raises(InputError, match="refused"):
        read_json(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_tree_is_a_folder_or_an_archive(tmp_path, packed):
    files = {"b/2.txt": b"two\nlines", "b/1.txt": b"one", "a.json": TEXT, "b/.hidden.txt": b"x"}
    for name, data in files.items():
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_bytes(data)
    archive = stored(tmp_path, "t.zip", zipped(*files.items(), ("empty/", b"")))
    tree = FileTree(archive if packed else tmp_path / "t")
    assert tree.names() == ["a.json", "b/1.txt", "b/2.txt"]
    assert tree.names(".txt") == ["b/1.txt", "b/2.txt"]
    assert tree.read_text("b/1.txt") == "one"
    with tree.open("b/2.txt") as file:
        assert list(file) == [b"two\n", b"lines"]
    with tree.open("a.json") as one, tree.open("b/1.txt") as two:
        assert one.read(1) + two.read() + one.read() == b"{one" + TEXT[1:]
    for name, message in (
        ("../t.zip", "leads outside"),
        ("/etc/passwd", "leads outside"),
        ("b/3.txt", "no such file|No such file"),
    ):
        with pytest.raises(InputError, match=message):
            tree.read_text(name)


def test_text_that_is_none(tmp_path):
    stored(tmp_path, "a.txt", b"\xff\xfe")
    with pytest.raises(InputError, match=r"a\.txt: not a UTF-8 text file"):
        FileTree(tmp_path).read_text("a.txt")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([name for name in PACKED if name != "a.json"]),
    st.lists(st.tuples(st.integers(0, 1 << 12), st.integers(1, 255)), min_size=1, max_size=3),
    st.integers(0, 1 << 12),
)
def test_a_damaged_archive_gives_the_content_or_a_sentence(place, name, flips, cut):
    data = bytearray(PACKED[name])
    for at, change in flips:
        data[at % len(data)] ^= change
    path = stored(place, name, bytes(data[: cut % (2 * len(data))] if cut % 3 == 0 else data))
    try:
        assert read_json(path) == CONTENT
    except InputError as error:
        assert name in str(error)
