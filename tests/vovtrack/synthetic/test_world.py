"""The mini world: same seed, same bytes; the real formats; novel classes held out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from vovtrack.cli.main import main
from vovtrack.errors import InputError
from vovtrack.formats.coco import read_images
from vovtrack.formats.tao.annotations import read_annotations, read_sequences
from vovtrack.structures import Vocabulary
from vovtrack.synthetic import class_names, render_clip, world_vocabulary, write_world
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.sections import EVALUATION, SECTIONS, recipe_of, scene_count
from vovtrack.synthetic.sizes import SIZES
from vovtrack.synthetic.states import MEASURES, STATES, states_of


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("mini") / "world", seed=0, size="tiny", workers=1)


def hashes(root) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes_whatever_the_workers(world, tmp_path):
    again = write_world(tmp_path / "again", seed=0, size="tiny", workers=2)
    other = write_world(tmp_path / "other", seed=1, size="tiny", workers=2)
    assert hashes(world) == hashes(again)
    changed = [name for name, digest in hashes(other).items() if hashes(world).get(name) == digest]
    assert not [name for name in changed if name.endswith((".jpg", ".json"))]


def test_validation_videos_are_those_of_the_world_to_train_on():
    small, validation = SIZES["small"], SIZES["validation"]
    assert scene_count("tao_validation", small) == scene_count("tao_validation", validation)
    dials = Dials()
    assert recipe_of("tao_validation", small, dials) == recipe_of(
        "tao_validation", validation, dials
    )
    for field in ("video_frames", "stride"):
        assert getattr(small, field) == getattr(validation, field)
    others = [scene_count(s, validation) for s in SECTIONS if s != "tao_validation"]
    assert sum(others) < 0.05 * sum(scene_count(s, small) for s in SECTIONS)


def test_evaluation_worlds_are_drawn_alike_but_are_not_the_same(world):
    first, second, third, shifted = EVALUATION
    for name in ("small", "large"):
        counts = {scene_count(section, SIZES[name]) for section in EVALUATION}
        assert len(counts) == 1 and counts.pop() >= 24
        assert scene_count("raw", SIZES[name]) >= 48
    recipe = recipe_of(first, SIZES["small"], Dials())
    assert recipe == recipe_of(second, SIZES["small"], Dials())
    assert recipe == recipe_of(third, SIZES["small"], Dials())
    assert replace(recipe, shifted=True) == recipe_of(shifted, SIZES["small"], Dials())
    found = [
        read_annotations(world / f"tao/annotations/{section.removeprefix('tao_')}.json")
        for section in EVALUATION
    ]
    boxes = [str([a["bbox"] for a in content["annotations"][:5]]) for content in found]
    images = [(world / "tao/frames" / c["images"][0]["file_name"]).read_bytes() for c in found]
    assert len(set(boxes)) == len(set(images)) == 4


def test_annotations_say_how_an_object_is_seen(world):
    content = json.loads((world / "tao/annotations/shifted.json").read_text())
    for annotation in content["annotations"]:
        measures = {name: annotation[name] for name in MEASURES}
        assert 0.25 <= measures["visibility"] <= 1 and 0 <= measures["truncation"] < 1
        assert measures["blur"] >= 0 and measures["light"] > 0
        assert set(states_of(**measures)) <= set(STATES)
        x, y, width, height = annotation["bbox"]
        at_rim = x == 0 or y == 0 or x + width == 256 or y + height == 192
        assert at_rim or measures["truncation"] == 0 or "occluded" in states_of(**measures)
    assert content["annotations"]


def test_a_world_records_what_it_depends_on(world, tmp_path):
    record = json.loads((world / "world.json").read_text())
    assert (record["seed"], record["size"]) == (0, "tiny")
    assert record["counts"] == asdict(SIZES["tiny"]) and record["dials"] == asdict(Dials())
    assert len(record["renderer"]) == 64 and record["photographs"]["brick"].startswith("7966ca")


def test_classes_are_held_out_compositions():
    base, novel = class_names()
    assert set(base).isdisjoint(novel) and len(novel) >= 10
    words = {word for name in base for word in name.split()}
    assert {word for name in novel for word in name.split()} <= words
    vocabulary = world_vocabulary()
    assert {
        n for n, is_novel in zip(vocabulary.names, vocabulary.novel, strict=True) if is_novel
    } == {*novel}


def test_the_packaged_vocabulary_is_that_of_the_world(world, repo_root):
    packaged = Vocabulary.load(repo_root / "configs/mini/vocabulary.json")
    for name in ("lvis/annotations/train.json", "tao/annotations/validation.json"):
        written = Vocabulary.load(world / name)
        assert written.fingerprint == packaged.fingerprint
        assert (written.novel == packaged.novel).all()


def test_training_shows_no_novel_class_and_validation_does(world):
    novel = set(class_names()[1])

    def shown(name: str) -> set[str]:
        content = json.loads((world / name).read_text())
        names = {c["id"]: c["name"] for c in content["categories"]}
        return {names[a["category_id"]] for a in content["annotations"]}

    for name in ("lvis/annotations/train.json", "pairs/annotations/train.json"):
        assert not shown(name) & novel
    assert shown("tao/annotations/validation.json") & novel
    assert shown("tao/annotations/validation.json") - novel


def test_boxes_fit_the_images_on_disk(world):
    vocabulary = world_vocabulary()
    records = read_images(world / "lvis/annotations/train.json", vocabulary)
    assert sum(len(record["instances"]) for record in records) > len(records)
    for record in records:
        image = cv2.imread(str(world / "lvis/images" / record["file_name"]))
        assert image.shape[:2] == (record["height"], record["width"])
        for x1, y1, x2, y2 in (i["bbox"] for i in record["instances"]):
            assert 0 <= x1 < x2 <= record["width"] and 0 <= y1 < y2 <= record["height"]


def test_videos_are_tao_with_sparse_annotation(world):
    content = read_annotations(world / "tao/annotations/validation.json")
    assert all(
        {"neg_category_ids", "not_exhaustive_category_ids"} <= set(v) for v in content["videos"]
    )
    steps = {
        b["frame_index"] - a["frame_index"]
        for a, b in zip(content["images"], content["images"][1:], strict=False)
        if a["video_id"] == b["video_id"]
    }
    assert steps == {4}
    assert all((world / "tao/frames" / i["file_name"]).is_file() for i in content["images"])
    assert any(len(s) for s in read_sequences(world / "tao/annotations/validation.json"))


def test_pairs_share_objects(world):
    content = json.loads((world / "pairs/annotations/train.json").read_text())
    by_image: dict[int, set[int]] = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], set()).add(annotation["instance_id"])
    videos: dict[int, list[set[int]]] = {}
    for image in content["images"]:
        videos.setdefault(image["video_id"], []).append(by_image.get(image["id"], set()))
    assert all(len(views) == 2 and views[0] & views[1] for views in videos.values())


def test_raw_clips_and_contact_sheets_exist(world):
    assert len(list((world / "raw").rglob("*.jpg"))) >= 10
    sheets = {path.stem: cv2.imread(str(path)) for path in (world / "contact_sheets").iterdir()}
    assert sheets.keys() == {"classes", "stills", "videos", "states"}
    assert all(sheet.shape[1] > 1000 and sheet.std() > 10 for sheet in sheets.values())


def test_a_clip_in_memory_is_seeded():
    frames, truth = render_clip(seed=5, num_frames=4, width=128, height=96)
    again, _ = render_clip(seed=5, num_frames=4, width=128, height=96)
    assert frames.shape == (4, 96, 128, 3) and frames.dtype == np.uint8
    assert (frames == again).all() and truth.num_frames == 4


def test_a_folder_with_content_is_not_overwritten(world, tmp_path):
    before = hashes(world)
    with pytest.raises(InputError, match="--force"):
        write_world(world, size="tiny", workers=1)
    assert hashes(world) == before


@pytest.mark.parametrize(
    "arguments", [dict(seed=-1), dict(seed=2**32), dict(size="huge"), dict(workers=0)]
)
def test_impossible_worlds_are_refused(tmp_path, arguments):
    with pytest.raises(InputError):
        write_world(tmp_path / "w", **{"size": "tiny", **arguments})
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("dial", "answer"),
    [
        ("sped=2", "Did you mean 'speed'?"),
        ("self=2", "the dials are speed, occlusion"),
        ("blur=11", "the dial 'blur' is 11.0: expected a number from 0 to 10"),
        ("blur=nan", "the dial 'blur' is nan"),
        ("blur=much", "--dial blur=much: expected NAME=VALUE"),
        ("blur", "--dial blur: expected NAME=VALUE"),
    ],
)
def test_wrong_dials_are_sentences(tmp_path, capsys, dial, answer):
    assert main(["synth", "--out", str(tmp_path / "w"), "--dial", dial]) == 2
    assert answer in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_dials_reach_the_world(tmp_path):
    words = ["synth", "--size", "tiny", "--workers", "1", "--out", str(tmp_path / "w")]
    assert main([*words, "--dial", "darkness=10", "--dial", "blur=0"]) == 0
    record = json.loads((tmp_path / "w/world.json").read_text())
    assert record["dials"] == asdict(Dials(darkness=10, blur=0))
    content = json.loads((tmp_path / "w/lvis/annotations/train.json").read_text())
    assert {states_of(*(a[name] for name in MEASURES))[-1] for a in content["annotations"]} == {
        "dark"
    }
    assert not any(a["blur"] for a in content["annotations"])
