"""Sets of videos: the same bytes again, kept when interrupted, resumed, and never mixed up."""

from __future__ import annotations

import errno
import json

import pytest
from plain_videos import PlainVideo, plain_sources

from vovtrack.errors import InputError, WriteError
from vovtrack.files import atomic
from vovtrack.files.hashing import tree_sha256
from vovtrack.synthetic.video_formats import FORMATS
from vovtrack.synthetic.video_set import write_videos

pytestmark = pytest.mark.parametrize("format", FORMATS)


def contents(root) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def held_out(format: str) -> int:
    return 1 if FORMATS[format]().splits else 0


def test_the_same_seed_gives_the_same_bytes(format, tmp_path):
    for name in ("one", "two"):
        write_videos(tmp_path / name, format, plain_sources(2), held_out=held_out(format))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not list(tmp_path.rglob("*.unfinished"))


def broken(k: int):
    """Sources of which one ends the run in the middle of its frames."""

    class Broken(PlainVideo):
        def render(self, frame):
            if frame == 5:
                raise KeyboardInterrupt
            return super().render(frame)

    sources = plain_sources(3)
    sources[k] = (sources[k][0], Broken)
    return sources


def test_an_interrupted_set_resumes_and_ends_as_if_it_had_not_been(format, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    with pytest.raises(KeyboardInterrupt):
        write_videos(out, format, broken(2), held_out=held_out(format))
    opened = []

    def noted(name, source):
        return name, lambda: opened.append(name) or source()

    sources = [noted(*pair) for pair in plain_sources(3)]
    write_videos(out, format, sources, held_out=held_out(format))
    assert opened == ["plain-02"]
    write_videos(whole, format, plain_sources(3), held_out=held_out(format))
    assert contents(out) == contents(whole)
    opened.clear()
    write_videos(out, format, sources, held_out=held_out(format))
    assert opened == [] and contents(out) == contents(whole)


def test_a_full_disk_keeps_what_is_complete(format, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full(PlainVideo):
        def render(self, frame):
            monkeypatch.setattr(atomic.os, "open", full)
            return super().render(frame)

    sources = plain_sources(3)
    sources[1] = (sources[1][0], Full)
    with pytest.raises(WriteError, match="No space left.*repeat the command"):
        write_videos(tmp_path / "out", format, sources)
    monkeypatch.undo()
    opened = []
    again = [(name, lambda s=s, n=name: opened.append(n) or s()) for name, s in plain_sources(3)]
    write_videos(tmp_path / "out", format, again)
    assert opened == ["plain-01", "plain-02"]


def test_a_folder_of_another_set_is_refused(format, tmp_path):
    out = write_videos(tmp_path / "out", format, plain_sources(1), settings={"frames": 12})
    before = tree_sha256(out)
    with pytest.raises(InputError, match="other settings.*--force"):
        write_videos(out, format, plain_sources(1), settings={"frames": 13})
    with pytest.raises(InputError, match="other seed and videos"):
        write_videos(out, format, plain_sources(2), seed=1, settings={"frames": 12})
    assert tree_sha256(out) == before
    write_videos(out, format, plain_sources(1), seed=1, force=True)
    assert json.loads((out / "video_set.json").read_text())["seed"] == 1


def test_a_folder_of_something_else_is_refused(format, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match="not empty"):
        write_videos(tmp_path, format, plain_sources(1))
    assert (tmp_path / "photo.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(sources=[]), "at least one"),
        (dict(sources=[("../x", PlainVideo)]), "not the name of a video"),
        (dict(sources=[("x", PlainVideo), ("x", PlainVideo)]), "Two videos are called 'x'"),
        (dict(held_out=2), "cannot be held out|no split"),
        (dict(seed=-1), "0 or more"),
        (dict(format="mott"), "one of mot"),
    ],
)
def test_impossible_sets_are_refused_before_anything_is_written(format, change, message, tmp_path):
    arguments = {"format": format, "sources": plain_sources(1), **change}
    with pytest.raises(InputError, match=message):
        write_videos(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()
