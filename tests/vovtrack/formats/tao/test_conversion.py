"""TAO's published annotations become those of open-vocabulary tracking."""

from __future__ import annotations

import copy
import json

import pytest

from vovtrack.cli.main import main
from vovtrack.errors import InputError
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.formats.tao.conversion import number_frames, read_published, to_lvis_v1
from vovtrack.structures.vocabulary import Vocabulary, lvis_v1_categories

CATEGORIES = [
    dict(id=1, name="cup", synset="cup.n.01", merged=[dict(id=4, name="mug", synset="mug.n.04")]),
    dict(id=2, name="person", synset="person.n.01"),
    dict(id=3, name="beaker", synset="beaker.n.02"),
    dict(id=4, name="mug", synset="mug.n.04"),
]


def published() -> dict:
    """Two videos, frames in disorder, a merged category and one that LVIS v1 does not have."""
    videos = [
        dict(id=10, name="train/A/x", width=64, height=48, neg_category_ids=[2, 3],
             not_exhaustive_category_ids=[1]),
        dict(id=11, name="train/A/y", width=64, height=48, neg_category_ids=[]),
    ]  # fmt: skip
    images = [
        dict(id=video * 100 + index, video_id=video, frame_index=index, width=64, height=48,
             file_name=f"train/A/{video}/frame{index:04d}.jpg")
        for video, indices in ((10, (60, 0, 30)), (11, (5,)))
        for index in indices
    ]  # fmt: skip
    tracks = [dict(id=t, category_id=c, video_id=10) for t, c in ((1, 1), (2, 4), (3, 3), (4, 2))]
    annotations = [
        dict(id=10 * track["id"] + n, image_id=1000 + frame, track_id=track["id"],
             category_id=track["category_id"], video_id=10, bbox=[1, 2, 30, 20])
        for track in tracks
        for n, frame in enumerate((0, 30))
    ]  # fmt: skip
    return dict(videos=videos, images=images, tracks=tracks, annotations=annotations,
                categories=copy.deepcopy(CATEGORIES))  # fmt: skip


def test_frames_are_numbered_by_their_index():
    numbered = number_frames(published(), "t.json")
    found = [(i["video_id"], i["frame_index"], i["frame_id"]) for i in numbered["images"]]
    assert found == [(10, 0, 0), (10, 30, 1), (10, 60, 2), (11, 5, 0)]
    assert [video.get("frame_range") for video in numbered["videos"]] == [30, None]
    assert numbered["images"][0]["neg_category_ids"] == [2, 3]
    assert all(a["instance_id"] == a["track_id"] for a in numbered["annotations"])


def test_merged_categories_go_up_in_the_surviving_one():
    numbered = number_frames(published(), "t.json")
    assert [t["category_id"] for t in numbered["tracks"]] == [1, 1, 3, 2]
    assert [a["category_id"] for a in numbered["annotations"]] == [1, 1, 1, 1, 3, 3, 2, 2]


def test_categories_of_lvis_v1_are_found_by_synset():
    converted, dropped = to_lvis_v1(number_frames(published(), "t.json"), "t.json")
    ids = {c["synset"]: c["id"] for c in lvis_v1_categories()}
    cup, person = ids["cup.n.01"], ids["person.n.01"]
    assert [t["category_id"] for t in converted["tracks"]] == [cup, cup, person]
    assert dropped.categories == {"beaker": 2} and (dropped.tracks, dropped.annotations) == (1, 2)
    assert converted["videos"][0]["neg_category_ids"] == [person]
    assert converted["images"][0]["not_exhaustive_category_ids"] == [cup]
    counted = {c["id"]: (c["image_count"], c["instance_count"]) for c in converted["categories"]}
    assert counted[cup] == (2, 4) and counted[person] == (2, 2)
    assert sum(instances for _, instances in counted.values()) == 6
    assert len(converted["categories"]) == 1203


def test_the_real_categories_of_tao(realdata):
    """369 of 1230 are test categories; of those 12 have no synset in LVIS v1."""
    path = realdata / "tao_meta/tao_categories_1230_trackeval.json"
    content = dict(published(), categories=json.loads(path.read_text()))
    tao = {c["synset"]: c["id"] for c in content["categories"]}
    lvis = {c["synset"] for c in lvis_v1_categories()}
    assert len(tao) == 1230
    test = [c for c in Vocabulary.load("tao_test").category_ids]
    synsets = {c["id"]: c["synset"] for c in lvis_v1_categories()}
    assert all(synsets[category] in tao for category in test)
    unmapped = {c["name"] for c in content["categories"] if c["synset"] not in lvis}
    assert {"beaker", "book_bag", "coffee_filter", "paintbox", "water_filter"} <= unmapped
    content["tracks"] = [dict(t, category_id=tao["person.n.01"]) for t in content["tracks"]]
    person = {"category_id": tao["person.n.01"]}
    content["annotations"] = [{**a, **person} for a in content["annotations"]]
    content["videos"] = [dict(v, neg_category_ids=[]) for v in content["videos"]]
    _, dropped = to_lvis_v1(number_frames(content, "t.json"), "t.json")
    assert (dropped.tracks, dropped.annotations) == (0, 0)


def test_a_real_converted_file_is_made_again(realdata):
    """mmtracking's TAO sample is an output of the published first step."""
    path = realdata / "mmtracking/demo_tao_data/ann.json"
    expected = json.loads(path.read_text())
    categories = realdata / "tao_meta/tao_categories_1230_trackeval.json"
    expected["categories"] = json.loads(categories.read_text())  # the sample holds two of them
    raw = copy.deepcopy(expected)
    for image in raw["images"]:
        for key in ("frame_id", "neg_category_ids", "not_exhaustive_category_ids"):
            del image[key]
    for video in raw["videos"]:
        del video["frame_range"]
    for annotation in raw["annotations"]:
        del annotation["instance_id"]
    raw["images"].reverse()
    numbered = number_frames(raw, path)
    assert numbered == expected
    converted, dropped = to_lvis_v1(numbered, path)
    names = {c["id"]: c["name"] for c in converted["categories"]}
    assert [names[track["category_id"]] for track in converted["tracks"]] == ["person", "bicycle"]
    assert (dropped.tracks, dropped.annotations) == (0, 0)


def test_the_command_writes_files_that_are_read(tmp_path, capsys):
    path = tmp_path / "validation.json"
    path.write_text(json.dumps(published()))
    assert main(["prepare", "tao", str(path)]) == 0
    told = capsys.readouterr().out
    assert "2 videos, 4 images, 3 tracks, 6 annotations" in told
    assert "1 tracks, 2 annotations of beaker (2)" in told
    assert len(read_annotations(tmp_path / "validation_ours.json")["tracks"]) == 4
    found = Vocabulary.load(tmp_path / "validation_ours_v1.json")
    assert found.fingerprint == Vocabulary.load("lvis_v1").fingerprint


def test_the_test_set_has_no_annotations_and_its_categories_elsewhere(tmp_path, capsys):
    content = published()
    categories = tmp_path / "test_categories.json"
    categories.write_text(json.dumps(dict(categories=content.pop("categories"))))
    del content["annotations"], content["tracks"]
    path = tmp_path / "test_without_annotations.json"
    path.write_text(json.dumps(content))
    assert main(["prepare", "tao", str(path)]) == 2
    assert "it has no categories: name a file" in capsys.readouterr().err
    words = ["prepare", "tao", str(path), "--categories", str(categories), "--out", str(tmp_path)]
    assert main(words) == 0
    converted = read_annotations(tmp_path / "test_without_annotations_ours_v1.json")
    assert len(converted["images"]) == 4 and converted["annotations"] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("videos"), "key 'videos' is missing"),
        (lambda c: c["images"].append(5), "images.4. is not a JSON object"),
        (lambda c: c["images"][0].pop("frame_index"), "key 'frame_index' is missing in image"),
        (lambda c: c["images"][0].update(frame_index="1"), "'frame_index' .* whole number"),
        (lambda c: c["images"][0].update(video_id=99), "is 99, which is not in videos"),
        (lambda c: c["images"][0].update(frame_index=0), "'frame_index' must grow"),
        (lambda c: c["categories"][0].update(merged=3), "key 'merged'"),
        (lambda c: c["annotations"][0].update(track_id=77), "is 77, which is not in tracks"),
        (lambda c: c["annotations"][0].update(category_id=77), "is 77, which is not in categories"),
        (lambda c: c["categories"][1].pop("synset"), "category 2 .'person'. has no 'synset'"),
    ],
)
def test_faults_are_named(tmp_path, change, message):
    content = published()
    change(content)
    path = tmp_path / "t.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        to_lvis_v1(number_frames(read_published(path), path), path)
