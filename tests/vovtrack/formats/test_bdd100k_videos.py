"""Box tracks of BDD100K written and read again, in every form of file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vovtrack.files.packing import pack
from vovtrack.formats.bdd100k import CLASSES, BddFrame, write_video
from vovtrack.formats.bdd100k_videos import read_bdd100k

CORNER = st.floats(-50, 1300, width=32)
SIDE = st.floats(1, 700, width=32)
LABEL = st.tuples(st.sampled_from(CLASSES), CORNER, CORNER, SIDE, SIDE)
FRAMES = st.lists(st.lists(LABEL, max_size=4), min_size=1, max_size=5)


@settings(max_examples=50, deadline=None)
@given(FRAMES, st.randoms(use_true_random=False))
def test_what_is_written_is_read(tmp_path_factory, frames, random):
    path = tmp_path_factory.getbasetemp() / "v.json"
    rows = [
        (
            BddFrame("v", number, f"{number}.jpg"),
            [
                dict(id=f"t{i}", category=name, score=0.5, box=(x, y, x + w, y + h))
                for i, (name, x, y, w, h) in enumerate(labels)
            ],
        )
        for number, labels in enumerate(frames)
    ]
    random.shuffle(rows)
    write_video(path, rows)
    (video,) = read_bdd100k(path).videos
    assert video.images == tuple(f"v/{k}.jpg" for k in range(len(frames)))
    assert video.counts.tolist() == [len(labels) for labels in frames]
    for position, labels in enumerate(frames):
        here = video.rows(position)
        assert [CLASSES[label] for label in video.labels[here]] == [name for name, *_ in labels]
        boxes = [(x, y, x + w, y + h) for _, x, y, w, h in labels]
        expected = np.reshape(boxes, (-1, 4))
        np.testing.assert_allclose(video.bboxes[here], expected, rtol=1e-6, atol=1e-4)


def test_a_box_has_a_pixel(tmp_path):
    rows = [(BddFrame("v", 0, "a.jpg"), [dict(id=1, category="car", box=(3, 4, 3.25, 4.5))])]
    write_video(tmp_path / "v.json", rows)
    assert read_bdd100k(tmp_path / "v.json").videos[0].bboxes.tolist() == [[3, 4, 4, 5]]


@pytest.mark.parametrize("form", ["list", "object", "folder", "archive"])
def test_every_form_of_file(tmp_path, form):
    box = dict(x1=1, y1=2, x2=3, y2=4)
    labels = [dict(id=k, category=name, box2d=box) for k, name in enumerate(["person", "van"])]
    files = []
    for number, name in enumerate("ab"):
        frames = [dict(name="f.jpg", videoName=name, frameIndex=number, labels=labels)]
        files.append(tmp_path / "files" / f"{name}.json")
        files[-1].parent.mkdir(exist_ok=True)
        content = dict(frames=frames, config=None) if form == "object" else frames
        files[-1].write_text(json.dumps(content))
    pack(tmp_path / "files.zip", files)
    path = dict(folder=tmp_path / "files", archive=tmp_path / "files.zip").get(form, files[1])
    videos = read_bdd100k(path).videos
    assert [video.name for video in videos] == (["a", "b"] if path not in files else ["b"])
    assert videos[-1].numbers.tolist() == [1] and videos[-1].labels.tolist() == [0, 2]
    assert videos[-1].bboxes[0].tolist() == [1, 2, 4, 5]
