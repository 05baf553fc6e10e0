from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.structures import Vocabulary


def checksum(values) -> str:
    return hashlib.sha256(",".join(map(str, values)).encode()).hexdigest()[:16]


@pytest.mark.golden
def test_lvis_v1_has_the_rare_classes_as_novel():
    lvis = Vocabulary.load("lvis_v1")
    assert len(lvis) == 1203 and int(lvis.novel.sum()) == 337 and int((~lvis.novel).sum()) == 866
    assert lvis.category_ids == tuple(range(1, 1204))
    assert checksum(np.flatnonzero(lvis.novel)) == "6869690b5439dbc2"
    assert np.array_equal(lvis.fusion_mask("released"), lvis.novel)
    assert lvis.names[654] == "speaker_(stereo_equipment)" and lvis.names[792] == "person"


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "size", "novel", "released", "both", "digest"),
    [
        ("tao_validation", 296, 35, 86, 14, "c90d58984c38888f"),
        ("tao_test", 357, 33, 104, 13, "b99d3b68dafa9bf6"),
    ],
)
def test_tao_vocabularies(name, size, novel, released, both, digest):
    tao = Vocabulary.load(name)
    assert len(tao) == size and checksum(tao.category_ids) == digest
    assert int(tao.fusion_mask("novel").sum()) == novel
    assert int(tao.fusion_mask("released").sum()) == released
    assert int((tao.fusion_mask("released") & tao.novel).sum()) == both
    assert not tao.fusion_mask("none").any()


def test_released_mask_is_the_novel_mask_shifted_by_one_class():
    lvis, tao = Vocabulary.load("lvis_v1"), Vocabulary.load("tao_validation")
    shifted = [lvis.novel[category_id] for category_id in tao.category_ids]
    assert np.array_equal(tao.fusion_mask("released"), shifted)


def test_labels_and_ids_are_inverse():
    tao = Vocabulary.load("tao_test")
    assert [tao.label_of(i) for i in tao.category_ids] == list(range(len(tao)))
    assert 15 in tao and 16 not in tao
    with pytest.raises(InputError, match="Category id 16 is not one of the 357"):
        tao.label_of(16)


def test_fingerprint_sees_names_ids_and_order():
    base = Vocabulary.from_names(["cat", "dog"])
    assert base.fingerprint == Vocabulary.from_names(["cat", "dog"]).fingerprint
    assert len(base.fingerprint) == 16
    others = [["dog", "cat"], ["cat", "dogs"], ["cat", "dog", "cow"]]
    assert len({base.fingerprint, *(Vocabulary.from_names(o).fingerprint for o in others)}) == 4
    moved = Vocabulary(("cat", "dog"), (1, 3), np.zeros(2, bool))
    assert moved.fingerprint != base.fingerprint and moved != base


def test_free_names_have_no_released_mask():
    free = Vocabulary.load(["striped red star", " cat "])
    assert free.names == ("striped red star", "cat") and free.category_ids == (1, 2)
    assert not free.novel.any() and Vocabulary.load(free) is free
    with pytest.raises(InputError, match="released fusion mask exists only"):
        free.fusion_mask("released")
    with pytest.raises(InputError, match="'other' is not one of novel, released, none"):
        free.fusion_mask("other")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "class list is empty"),
        (["cat", " "], "Class name 2 of 2 is blank"),
        (["cat", "dog", "cat "], "'cat' occurs twice"),
    ],
)
def test_bad_class_lists_are_refused(names, message):
    with pytest.raises(InputError, match=message):
        Vocabulary.load(names)


def annotation_file(tmp_path, categories) -> str:
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({"categories": categories}))
    return str(path)


def test_annotation_file_gives_ids_and_novel_classes(tmp_path):
    rows = [
        {"id": 7, "name": "cat", "frequency": "f"},
        {"id": 3, "name": "speaker_(stero_equipment)", "frequency": "r"},
    ]
    loaded = Vocabulary.load(annotation_file(tmp_path, rows))
    assert loaded.category_ids == (7, 3) and loaded.novel.tolist() == [False, True]
    assert loaded.names[1] == "speaker_(stereo_equipment)"


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([{"id": 1}], r"key 'name' of categories\[0\] is missing"),
        ([{"id": 1, "name": "a", "frequency": "x"}], "'frequency' of category 'a'"),
        (
            [{"id": 1, "name": "a", "frequency": "f"}, {"id": 2, "name": "b"}],
            "'frequency' of category 'b'",
        ),
        ([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], "Category id 1 occurs twice"),
        ([{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], "'a' occurs twice"),
    ],
)
def test_bad_categories_name_the_file(tmp_path, categories, message):
    with pytest.raises(InputError, match=message) as caught:
        Vocabulary.load(annotation_file(tmp_path, categories))
    assert "annotations.json" in str(caught.value)


def test_unknown_name_lists_the_built_in_ones(tmp_path):
    with pytest.raises(InputError, match="lvis_v1, tao_validation, tao_test"):
        Vocabulary.load("lvis_v2")
    with pytest.raises(InputError, match="cannot read"):
        Vocabulary.load(tmp_path / "absent.json")


def test_masks_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        Vocabulary.load("lvis_v1").novel[0] = True


def test_builder_reproduces_the_packaged_files(realdata, tmp_path, repo_root):
    command = [sys.executable, "tools/prepare_data/build_vocabulary.py"]
    command += ["--lvis-categories", realdata / "lvis_meta/lvis_v1_categories_compact.json"]
    command += ["--tao-masks", realdata / "tao_meta/tao_ov_class_masks.json", "--out", tmp_path]
    subprocess.run(
        list(map(str, command)), check=True, cwd=repo_root, env={"PYTHONPATH": str(repo_root)}
    )
    for name in ("lvis_v1.json", "tao_open_vocabulary.json"):
        packaged = repo_root / "vovtrack/structures/data" / name
        assert (tmp_path / name).read_bytes() == packaged.read_bytes()


def test_users_say_classes_in_one_way(tmp_path, repo_root):
    names = Vocabulary.from_names(["red car", "dragon"])
    listed = tmp_path / "names.txt"
    listed.write_text("red car\n\n  dragon \n")
    for said in ("red car, dragon", ["red car", "dragon"], str(listed), listed, names):
        assert Vocabulary.parse(said) == names
    assert Vocabulary.parse("elephant").names == ("elephant",)
    assert Vocabulary.parse("lvis_v1") == Vocabulary.load("lvis_v1")
    mini = repo_root / "configs/mini/vocabulary.json"
    assert Vocabulary.parse(str(mini)) == Vocabulary.load(mini)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"a\na", None])
def test_a_file_of_names_that_cannot_be_used_is_named(tmp_path, text):
    path = tmp_path / "names.txt"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(InputError, match="names.txt: "):
        Vocabulary.parse(path)
