from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.formats.tao.annotations import merged_categories, read_annotations, read_sequences
from vovtrack.structures import Vocabulary

GOOD = {
    "videos": [
        {"id": 1, "name": "val/one", "width": 100, "height": 50},
        {"id": 2, "name": "val/two", "width": 100, "height": 50},
    ],
    "images": [
        {"id": i, "video_id": v, "frame_index": f, "frame_id": n, "width": 100, "height": 50}
        for i, v, f, n in [(10, 1, 0, 0), (20, 2, 5, 0), (11, 1, 30, 1), (12, 1, 60, 2)]
    ],
    "tracks": [
        {"id": 7, "category_id": 3, "video_id": 1},
        {"id": 8, "category_id": 9, "video_id": 1},
        {"id": 9, "category_id": 3, "video_id": 2},
    ],
    "annotations": [
        {"id": a, "image_id": i, "track_id": t, "category_id": c, "video_id": v, "bbox": b}
        for a, i, t, c, v, b in [
            (1, 12, 7, 3, 1, [10, 10, 20, 20]),
            (2, 10, 7, 3, 1, [-5, 10.5, 20, 20]),
            (3, 10, 8, 9, 1, [90, 40, 20, 20]),
            (4, 20, 9, 3, 2, [0, 0, 100, 50]),
        ]
    ],
    "categories": [
        {"id": 3, "name": "cat", "frequency": "f"},
        {"id": 9, "name": "dog", "frequency": "r"},
    ],
}


def written(tmp_path, change=None) -> str:
    content = copy.deepcopy(GOOD)
    if change:
        change(content)
    path = tmp_path / "val.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_sequences(tmp_path):
    one, two = read_sequences(written(tmp_path))
    assert (one.name, one.video_id, one.num_frames) == ("val/one", 1, 3)
    assert one.image_ids.tolist() == [10, 11, 12] and one.frame_ids.tolist() == [0, 0, 2]
    assert one.bboxes[0].tolist() == [-5, 10.5, 15, 30.5]
    assert one.labels.tolist() == [0, 1, 0] and one.track_ids.tolist() == [7, 8, 7]
    assert one.vocabulary.novel.tolist() == [False, True]
    assert two.bboxes.tolist() == [[0, 0, 100, 50]] and two.scores.tolist() == [1]


def test_sequences_in_another_vocabulary(tmp_path):
    path = written(tmp_path)
    other = Vocabulary(("dog", "cat"), (9, 3), np.zeros(2, bool))
    assert read_sequences(path, other)[0].labels.tolist() == [1, 0, 1]
    with pytest.raises(InputError, match=r"val\.json.*Category id 3 "):
        read_sequences(path, Vocabulary(("dog",), (9,), np.zeros(1, bool)))


def test_frame_id_is_optional(tmp_path):
    path = written(tmp_path, lambda c: [image.pop("frame_id") for image in c["images"]])
    assert read_sequences(path)[0].num_frames == 3


def test_merged_categories():
    categories = [{"id": 1, "merged": [{"id": 5}, {"id": 6}]}, {"id": 2}]
    assert merged_categories(categories) == {5: 1, 6: 1}


REQUIRED = [
    ("videos", "name", 0, "video 1"),
    ("videos", "id", 0, "video at position 0 ('val/one')"),
    ("images", "frame_index", 1, "image 20 of video 'val/two'"),
    ("images", "video_id", 1, "image 20"),
    ("images", "width", 2, "image 11 of video 'val/one'"),
    ("tracks", "category_id", 2, "track 9 of video 'val/two'"),
    ("annotations", "bbox", 3, "annotation 4 of video 'val/two'"),
    ("annotations", "track_id", 3, "annotation 4 of video 'val/two'"),
    ("annotations", "video_id", 3, "annotation 4 of video 'val/two'"),
    ("annotations", "id", 3, "annotation at position 3 of video 'val/two'"),
    ("categories", "name", 1, "category 9"),
]


@pytest.mark.parametrize(("table", "key", "position", "place"), REQUIRED)
def test_a_missing_key_names_file_key_and_video(tmp_path, table, key, position, place):
    path = written(tmp_path, lambda c: c[table][position].pop(key))
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    message = str(caught.value)
    assert path in message and f"key '{key}'" in message and place in message


@pytest.mark.parametrize("table", list(GOOD))
def test_a_missing_table_names_file_and_key(tmp_path, table):
    with pytest.raises(InputError, match=rf"val\.json: key '{table}' is missing"):
        read_annotations(written(tmp_path, lambda c: c.pop(table)))


def put(table, position, key, value):
    return lambda content: content[table][position].update({key: value})


FAULTS = {
    "frames out of order": (
        put("images", 2, "frame_index", 90),
        "key 'frame_index' must grow .* video 'val/one'; image 12 has 60 after 90",
    ),
    "frame twice": (put("images", 2, "frame_index", 0), "'frame_index' .* video 'val/one'"),
    "frame ids out of order": (
        put("images", 2, "frame_id", 2),
        "key 'frame_id' must count 0, 1, 2, ... in video 'val/one'; image 11 has 2 where 1",
    ),
    "box left of the image": (
        put("annotations", 3, "bbox", [-30, 0, 20, 20]),
        "key 'bbox' of annotation 4 of video 'val/two': .* outside its image of 100x50",
    ),
    "box below the image": (
        put("annotations", 0, "bbox", [0, 50, 20, 20]),
        "key 'bbox' of annotation 1 of video 'val/one': .* outside",
    ),
    "box not a number": (
        put("annotations", 0, "bbox", [0, float("nan"), 20, 20]),
        "key 'bbox' of annotation 1 of video 'val/one' must be four finite numbers",
    ),
    "box too short": (put("annotations", 0, "bbox", [1, 2, 3]), "'bbox' .* four finite numbers"),
    "box of negative size": (put("annotations", 0, "bbox", [9, 9, -3, 4]), "w, h >= 0"),
    "box as text": (put("annotations", 0, "bbox", "1 2 3 4"), "'bbox' .* must be a list"),
    "unknown category": (
        put("annotations", 0, "category_id", 5),
        "key 'category_id' of annotation 1 of video 'val/one' is 5, which is not in categories",
    ),
    "unknown image": (put("annotations", 0, "image_id", 99), "'image_id' .* 99, .* not in images"),
    "unknown track": (put("annotations", 0, "track_id", 99), "'track_id' .* 99, .* not in tracks"),
    "unknown video": (put("images", 0, "video_id", 99), "'video_id' of image 10 is 99"),
    "unknown video of a track": (put("tracks", 0, "video_id", 99), "'video_id' of track 7 is 99"),
    "wrong video": (put("annotations", 0, "video_id", 2), "its image 12 is in video 1"),
    "track of another video": (put("annotations", 0, "track_id", 9), "its track 9 is in video 2"),
    "repeated annotation id": (put("annotations", 1, "id", 1), "annotation 1 .* occurs twice"),
    "repeated image id": (put("images", 1, "id", 10), "key 'id': image 10 .* occurs twice"),
    "track twice in an image": (put("annotations", 0, "image_id", 10), "track 7 occurs twice"),
    "id as text": (
        put("annotations", 0, "id", "one"),
        "key 'id' .* must be a whole number .*, not 'one'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(tmp_path, fault):
    change, message = FAULTS[fault]
    path = written(tmp_path, change)
    with pytest.raises(InputError, match=message) as caught:
        read_annotations(path)
    assert str(caught.value).startswith(path)


def test_truncated_and_absent_files(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(GOOD)[:-40])
    with pytest.raises(InputError, match=r"cut\.json: not valid JSON, perhaps cut short"):
        read_annotations(path)
    path.write_text("[]")
    with pytest.raises(InputError, match="expected a JSON object"):
        read_annotations(path)
    with pytest.raises(InputError, match=r"none\.json: cannot read"):
        read_annotations(tmp_path / "none.json")


def test_a_real_file(realdata, tmp_path):
    source = realdata / "mmtracking/demo_tao_data/ann.json"
    with pytest.raises(InputError, match="annotation 3 of video 'train/YFCC100M/.* is 95"):
        read_annotations(source)  # an excerpt: it keeps the box but not its category
    content = json.loads(source.read_text())
    content["categories"].append({"id": 95, "name": "bicycle", "frequency": "f"})
    path = tmp_path / "ann.json"
    path.write_text(json.dumps(content))
    (sequence,) = read_sequences(path)
    assert (sequence.width, sequence.height, sequence.num_frames) == (640, 480, 2)
    assert sequence.bboxes[0].tolist() == [156, 97, 306, 398] and len(sequence) == 4
