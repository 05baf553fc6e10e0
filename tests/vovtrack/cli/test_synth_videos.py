"""`vovtrack synth --format`: what goes together, and what is written."""

from __future__ import annotations

import json

import pytest

from vovtrack.cli.main import main


def test_videos_are_written_and_named(tmp_path, capsys):
    out = tmp_path / "set"
    size = ["--width", "64", "--height", "48", "--frames", "2"]
    words = ["synth", "--format", "bdd100k", "--videos", "2", "--held-out", "1", *size]
    assert main([*words, "--workers", "1", "--out", str(out)]) == 0
    assert f"2 videos: {out}" in capsys.readouterr().out
    for name in ("train/mini-0001", "val/mini-0002"):
        frames = json.loads((out / f"labels/box_track_20/{name}.json").read_text())
        assert [frame["frameIndex"] for frame in frames] == [0, 1]
        assert len(list((out / "images/track" / name).iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--frames", "3"], "--frames goes with --format"),
        (["--held-out", "1"], "--held-out goes with --format"),
        (["--format", "mot", "--boxes-only"], "one of them"),
        (["--format", "mot", "--size", "tiny"], "--size is that of a world"),
        (["--format", "mott"], "one of mot, bdd100k, tapvid, movi, otb, got10k"),
        (["--format", "otb", "--held-out", "1"], "otb has no split"),
        (["--format", "mot", "--held-out", "21"], "21 of 20 videos"),
        (["--format", "mot", "--videos", "0"], "number of videos is 0"),
        (["--format", "mot", "--height", "5000"], "number of height is 5000"),
        (["--format", "mot", "--seed", "-1"], "0 or more"),
        (["--format", "mot", "--workers", "0"], "1 or more"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(words, message, tmp_path, capsys):
    assert main(["synth", *words, "--out", str(tmp_path / "set")]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
