"""Sets of videos: the same bytes again, kept when interrupted, resumed, and never mixed up."""

from __future__ import annotations

import errno

import pytest
from plain_videos import PlainVideo, plain_sources

from vovtrack.errors import InputError, WriteError
from vovtrack.files import atomic
from vovtrack.synthetic.video_formats import FORMATS
from vovtrack.synthetic.video_set import write_videos

every_format = pytest.mark.parametrize("format", FORMATS)


def contents(root) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def held_out(format: str) -> int:
    return 1 if FORMATS[format]().splits else 0


@every_format
def test_the_same_seed_gives_the_same_bytes(format, tmp_path):
    for name in ("one", "two"):
        write_videos(tmp_path / name, format, plain_sources(2), held_out=held_out(format))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


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


@every_format
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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


@every_format
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


@every_format
def test_the_beginning_of_another_set_is_refused(format, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        write_videos(out, format, broken(2), settings={"frames": 12})
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"other settings \(frames\)"):
        write_videos(out, format, plain_sources(3), settings={"frames": 13})
    with pytest.raises(InputError, match=r"other settings \(.*seed.*\)"):
        write_videos(out, format, plain_sources(3), seed=1, settings={"frames": 12})
    assert contents(tmp_path) == before


@every_format
def test_a_damaged_video_is_written_again(format, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_videos(tmp_path / "out", format, broken(2))
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    max(files, key=lambda path: path.stat().st_size).write_bytes(b"")
    write_videos(tmp_path / "out", format, plain_sources(3))
    write_videos(tmp_path / "whole", format, plain_sources(3))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@every_format
def test_the_beginning_of_another_set_is_removed_by_force(format, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_videos(tmp_path / "out", "otb" if format == "mot" else "mot", broken(2))
    write_videos(tmp_path / "out", format, plain_sources(2), force=True)
    write_videos(tmp_path / "whole", format, plain_sources(2))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@every_format
def test_a_set_is_replaced_when_the_new_one_is_complete(format, tmp_path):
    out = write_videos(tmp_path / "out", format, plain_sources(1))
    before = contents(out)
    with pytest.raises(InputError, match="not empty"):
        write_videos(out, format, plain_sources(3))
    with pytest.raises(KeyboardInterrupt):
        write_videos(out, format, broken(1), force=True)
    assert contents(out) == before
    write_videos(out, format, plain_sources(3), force=True)
    assert contents(out).keys() > before.keys() or contents(out) != before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_several_processes_give_the_same_bytes(tmp_path):
    for workers in (1, 2):
        write_videos(tmp_path / str(workers), "mot", plain_sources(2), workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match="not empty"):
        write_videos(tmp_path, "mot", plain_sources(1))
    assert (tmp_path / "photo.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(sources=[]), "at least one"),
        (dict(sources=[("../x", PlainVideo)]), "not the name of a video"),
        (dict(sources=[("x", PlainVideo), ("x", PlainVideo)]), "Two videos are called 'x'"),
        (dict(held_out=2), "cannot be held out"),
        (dict(seed=-1), "0 or more"),
        (dict(workers=0), "1 or more"),
        (dict(format="mott"), "one of mot"),
    ],
)
def test_impossible_sets_are_refused_before_anything_is_written(change, message, tmp_path):
    arguments = {"format": "mot", "sources": plain_sources(1), **change}
    with pytest.raises(InputError, match=message):
        write_videos(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()
