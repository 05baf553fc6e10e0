"""The readers of BDD100K and MOT against what the original readers gave."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from vovtrack.datasets import LoadCheckedImage, VideoDataset
from vovtrack.errors import InputError
from vovtrack.files.images import encode_image
from vovtrack.formats.mot.videos import read_mot

SETS = {
    "track_train": ("box_track_20", "box_track", True),
    "track_test": ("box_track_20", "box_track", False),
    "det_train": ("det_20.json", "det", True),
}
"""Labels, categories, and whether frames without a box are left out."""


@pytest.fixture(scope="module")
def bdd(recorded, tmp_path_factory):
    """Builds a set of the recorded labels; images are empty files of the right name."""
    images = tmp_path_factory.mktemp("images")

    def build(name: str, **settings) -> VideoDataset:
        labels, categories, skip_empty = SETS[name]
        reader = dict(format="bdd100k", categories=categories)
        settings = dict(pipeline=[], skip_empty=skip_empty, lazy_init=True) | settings
        data = VideoDataset(
            reader,
            ann_file=str(recorded.path("data_inputs") / labels),
            data_prefix=dict(img=str(images)),
            **settings,
        )
        for sample in recorded.json("data_bdd_expected.json")[name]["samples"]:
            file = images / (sample["sequence"] or "") / sample["name"]
            file.parent.mkdir(exist_ok=True)
            file.touch()
        data.full_init()
        return data

    return build


def name_of(item: dict) -> str:
    return item["img_path"].rpartition("/")[2]


def column(item: dict, key: str) -> list:
    return [instance[key] for instance in item["instances"]]


@pytest.mark.golden
@pytest.mark.parametrize("name", SETS)
def test_bdd100k_samples(recorded, bdd, name):
    expected, data = recorded.json("data_bdd_expected.json")[name], bdd(name)
    assert len(data) == expected["length"] == len(expected["samples"])
    found = {name_of(item): item for item in map(data.get_data_info, range(len(data)))}
    for sample in expected["samples"]:
        item = found.pop(sample["name"])
        boxes = np.array(column(item, "bbox")).reshape(-1, 4)
        np.testing.assert_allclose(boxes, np.reshape(sample["boxes"], (-1, 4)), rtol=0, atol=1e-5)
        assert column(item, "bbox_label") == sample["classes"]
        assert column(item, "instance_id") == sample["track_ids"]
        video = data.video(item["video_id"])
        assert video.name == (sample["sequence"] or sample["name"])
        assert video.numbers[item["frame_id"]] == (sample["frame_id"] or 0)
    assert not found


@pytest.mark.golden
@pytest.mark.parametrize("name", ["track_train", "track_test"])
def test_bdd100k_frames_come_in_order_of_time(recorded, bdd, name):
    expected, data = recorded.json("data_bdd_expected.json")[name], bdd(name)
    items = [data.get_data_info(k) for k in range(len(data))]
    names = [sample["name"] for sample in expected["samples"]]
    assert [name_of(item) for item in items] == [
        names[k]
        for video in sorted(expected["video_to_indices"])
        for k in expected["video_to_indices"][video]
    ]
    for number, video in enumerate(sorted(expected["video_to_frame_ids"])):
        assert data.video(number).numbers.tolist() == expected["video_to_frame_ids"][video]
    assert [item["img_id"] for item in items] == list(range(len(data)))


@pytest.mark.golden
def test_bdd100k_references(recorded, bdd):
    expected = recorded.json("data_bdd_expected.json")
    names = [sample["name"] for sample in expected["track_train"]["samples"]]
    for scope, candidates in expected["reference_candidates"].items():
        pick = dict(type="NearbyFrames", scope=int(scope.removeprefix("scope")))
        data = bdd("track_train", pick=pick)
        found = {
            name_of(item): item["references"] for item in map(data.get_data_info, range(len(data)))
        }
        for name, places in zip(names, candidates, strict=True):
            # Where there is no other frame the original falls back to the key, too.
            allowed = {names[place] for place in places} or {name}
            assert {name_of(reference) for reference in found[name]} == allowed


@pytest.mark.golden
def test_a_still_is_its_own_reference(recorded, bdd):
    expected = recorded.json("data_bdd_expected.json")["still_pair"]
    data = bdd("det_train", pick=dict(type="NearbyFrames", scope=0))
    items = [data.get_data_info(k) for k in range(len(data))]
    (item,) = (item for item in items if name_of(item) == expected["names"][0])
    (reference,) = item["references"]
    assert name_of(reference) == expected["names"][1]
    assert (column(item, "bbox") == column(reference, "bbox")) == expected["same_boxes"]
    assert (column(item, "instance_id") == column(reference, "instance_id")) == expected["same_ids"]


@pytest.mark.golden
def test_an_unknown_category_is_an_error_unless_the_labels_are_for_detection(
    recorded, monkeypatch, bdd
):
    assert recorded.json("data_bdd_expected.json")["det_with_box_track_config"] == "AssertionError"
    monkeypatch.setitem(SETS, "det_train", ("det_20.json", "box_track", True))
    with pytest.raises(InputError, match=r"det_20.json: label \d+ of image '.*' .*: its category"):
        bdd("det_train")


@pytest.mark.golden
@pytest.mark.parametrize("name", SETS)
def test_bdd100k_images_are_bgr_of_the_recorded_size(recorded, tmp_path, name):
    (image,) = recorded.arrays("data_bdd_images.npz")[f"{name}_image0"]
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), ".png", 100))
    height, width = recorded.json("data_bdd_expected.json")[name]["samples"][0]["input_hw"]
    loaded = LoadCheckedImage()(dict(img_path=str(path), height=height, width=width))
    np.testing.assert_array_equal(loaded["img"], image)


@pytest.fixture(scope="module")
def mot(recorded, tmp_path_factory):
    """The recorded sequences in the folders of the benchmark."""
    root = tmp_path_factory.mktemp("mot")
    for folder in (recorded.path("data_inputs") / "mot").iterdir():
        (root / folder.name / "gt").mkdir(parents=True)
        shutil.copy(folder / "seqinfo.ini", root / folder.name)
        shutil.copy(folder / "gt.txt", root / folder.name / "gt")
    return root


def settings_of(name: str) -> tuple[str, dict]:
    """Name of the set, and settings of the reader, by the name of recorded records."""
    subset, _, rest = name.partition("_")
    part = {"train": "all", "half-train": "first_half", "half-val": "second_half"}[subset]
    _, _, visibility = rest.partition("visibility_")
    low, high = map(float, visibility.split("_")) if visibility else (0.0, 0.0)
    return subset, dict(part=part, min_visibility=low, min_identity_visibility=high)


@pytest.mark.golden
def test_mot_records(recorded, mot):
    expected = recorded.json("data_mot_expected.json")
    checked = 0
    for name in [n for n in expected if n.rpartition("_json")[1] == "" and "_" in n]:
        if name.startswith("match_indices"):
            continue
        frames = {}
        for video in read_mot(mot, **settings_of(name)[1]).videos:
            for k in range(len(video)):
                frames[f"{video.images[k]}"] = (video, k)
        for record in expected[name]:
            video, k = frames.pop(record["file"])
            rows = video.rows(k)
            boxes = np.reshape(record["bboxes"], (-1, 4))
            np.testing.assert_allclose(video.bboxes[rows], boxes, rtol=0, atol=1e-4)
            assert video.labels[rows].tolist() == record["labels"]
            assert video.track_ids[rows].tolist() == record["instance_ids"]
            assert video.numbers[k] == record["frame_id"]
            assert not video.ignored[rows].any() and not record["ignore"]
            checked += 1
        assert not frames
    assert checked


@pytest.mark.golden
def test_mot_halves_and_sizes(recorded, mot):
    expected = recorded.json("data_mot_expected.json")
    for name in [name for name in expected if name.endswith("_json")]:
        videos = read_mot(mot, **settings_of(name.removesuffix("_json"))[1]).videos
        assert [video.name for video in videos] == [v["name"] for v in expected[name]["videos"]]
        found = [
            (video.images[k], int(video.numbers[k]), video.sizes[k].tolist())
            for video in videos
            for k in range(len(video))
        ]
        assert found == [
            (image["file_name"], image["frame_id"], [image["width"], image["height"]])
            for image in expected[name]["images"]
        ]


@pytest.mark.golden
def test_mot_matches_by_track(recorded, mot):
    forth, back = recorded.json("data_mot_expected.json")["match_indices_first_and_third"]
    (video, *_) = read_mot(mot).videos
    first, third = (video.track_ids[video.rows(k)].tolist() for k in (0, 2))
    for own, other, places in ((first, third, forth), (third, first, back)):
        assert [other.index(track) if track in other else -1 for track in own] == places
