"""Detections written image by image, by any number of processes."""

from __future__ import annotations

import json
import os

import pytest

from vovtrack.errors import InputError, WriteError
from vovtrack.formats.detection_writer import DetectionWriter, join_detections

IMAGES = [
    [dict(image_id=i, category_id=1, score=0.5, bbox=[0.1 * k, 1, 2, 3]) for k in range(i % 3)]
    for i in range(7)
]


def write(path, processes: int, images=IMAGES):
    """As processes do that share a dataset: the last ones repeat its first images."""
    rounds = -(-len(images) // processes)
    padded = [*images, *images][: rounds * processes]
    writers = [DetectionWriter(path, rank) for rank in range(processes)]
    for number, rows in enumerate(padded):
        writers[number % processes].write_image(rows)
    for writer in writers:
        writer.close()
    join_detections(path, processes, len(images))
    return path


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
def test_the_number_of_processes_does_not_change_the_file(tmp_path, processes):
    path = write(tmp_path / "bbox.json", processes)
    assert json.loads(path.read_text()) == [row for rows in IMAGES for row in rows]
    assert path.read_bytes() == write(tmp_path / "one.json", 1).read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"bbox.json", "one.json"}


@pytest.mark.parametrize("images", [[], [[], []]])
def test_no_detections_are_an_empty_array(tmp_path, images):
    assert json.loads(write(tmp_path / "a.json", 1, images).read_text()) == []


def test_a_full_disk_keeps_the_parts(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    writer = DetectionWriter(path)
    writer.write_image(IMAGES[2])
    writer.close()

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WriteError, match=r"a\.json' cannot be written"):
            join_detections(path, 1, 1)
    assert not path.exists()
    join_detections(path, 1, 1)
    assert json.loads(path.read_text()) == IMAGES[2]


def test_a_place_that_must_not_be_written_to(tmp_path):
    (tmp_path / "a.json.parts").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        DetectionWriter(tmp_path / "a.json")
