"""Names that mean the same class."""

from __future__ import annotations

import json

import pytest

from tools.prepare_data.build_vocabulary import synonym_table
from vovtrack.structures import Vocabulary
from vovtrack.structures.class_names import canonical_name, find_names

LVIS = Vocabulary.load("lvis_v1").names


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        ("airplane", "airplane"),
        ("aeroplane", "airplane"),
        ("Aero_Plane", "aero plane"),
        ("  Red   CAR ", "red car"),
        ("automobile", "car (automobile)"),
        ("car", "car"),
        ("speaker_(stero_equipment)", "speaker (stereo equipment)"),
        ("stereo speaker", "stereo speaker"),
    ],
)
def test_one_spelling_for_all_names_of_a_class(name, known_as):
    assert canonical_name(name) == known_as


def test_every_lvis_class_is_itself_and_every_synonym_means_one_class():
    spelled = [canonical_name(name) for name in LVIS]
    assert spelled == [name.lower().replace("_", " ") for name in LVIS]
    assert len(set(spelled)) == 1203


@pytest.mark.parametrize(
    ("wanted", "known", "places"),
    [
        (["dog", "cat"], ["cat", "dog"], [1, 0]),
        (["Dog"], ["cat", "dog"], [1]),
        (["dragon"], ["cat", "dog"], [None]),
        (["aeroplane"], ["airplane"], [0]),
        (["airplane"], ["aeroplane"], [0]),
        # The bank tells them apart, so the name itself counts.
        (["man", "woman"], ["woman", "person", "man"], [2, 0]),
        (["man", "woman"], ["person"], [None, None]),
        (["person", "man"], ["person"], [0, None]),
        (["human"], ["man", "woman"], [None]),
    ],
)
def test_places_of_names(wanted, known, places):
    assert find_names(wanted, known) == places


def test_table_of_synonyms_from_official_categories(tmp_path):
    categories = [dict(name=name, synonyms=[name]) for name in LVIS]
    categories[2] = dict(name="airplane", synonyms=["aeroplane", "airplane"])
    categories[654] = dict(name="speaker_(stero_equipment)", synonyms=["speaker_(stero_equipment)"])
    assert synonym_table(categories)["synonyms"] == [
        ["airplane", "aeroplane"],
        ["speaker_(stereo_equipment)", "speaker_(stero_equipment)"],
    ]


def test_packaged_synonyms_belong_to_lvis(repo_root):
    path = repo_root / "vovtrack/structures/data/lvis_v1_synonyms.json"
    rows = json.loads(path.read_text())["synonyms"]
    words = [word for _, *others in rows for word in others]
    assert {name for name, *_ in rows} <= set(LVIS)
    assert len(words) == len(set(words)) == 624 and not set(words) & set(LVIS)
