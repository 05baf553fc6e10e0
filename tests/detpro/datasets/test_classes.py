"""Labels of training data mean the classes of the model."""

from __future__ import annotations

import json

import pytest

from detpro.datasets import OpenVocabLVISDataset
from vovtrack.cli.main import main
from vovtrack.structures import Vocabulary
from vovtrack.synthetic import world_vocabulary


def with_categories(world, path, change) -> str:
    """A copy of the training annotations whose categories were changed."""
    content = json.loads((world / "lvis/annotations/train.json").read_text())
    change(content)
    path.write_text(json.dumps(content))
    return str(path)


def dataset(world, ann_file, **kwargs) -> OpenVocabLVISDataset:
    prefix = dict(img=str(world / "lvis/images"))
    return OpenVocabLVISDataset(ann_file=ann_file, data_prefix=prefix, visible="all", **kwargs)


def test_categories_are_found_by_name_whatever_their_ids(world, tmp_path):
    def renumber(content):
        ids = {c["id"]: 1000 - c["id"] for c in content["categories"]}
        for category in content["categories"]:
            category["id"] = ids[category["id"]]
            category["name"] = category["name"].replace(" ", "_").upper()
        for row in content["annotations"]:
            row["category_id"] = ids[row["category_id"]]

    ann_file = with_categories(world, tmp_path / "renumbered.json", renumber)
    vocabulary = world_vocabulary()
    expected = dataset(world, str(world / "lvis/annotations/train.json"), vocabulary=vocabulary)
    found = dataset(world, ann_file, vocabulary=vocabulary)
    assert len(found) == len(expected) > 0
    for index in range(len(found)):
        mine, theirs = found.get_data_info(index), expected.get_data_info(index)
        assert mine["instances"] == theirs["instances"]
        assert mine["category_ids"] == theirs["category_ids"]


def one_class(content) -> None:
    content["categories"] = [dict(id=1, name="forklift")]
    for row in content["annotations"]:
        row["category_id"] = 1


def test_one_class_of_many_keeps_its_name(world, tmp_path):
    ann_file = with_categories(world, tmp_path / "forklifts.json", one_class)
    lvis = Vocabulary.load("lvis_v1")
    data = dataset(world, ann_file, vocabulary="lvis_v1")
    labels = {i["bbox_label"] for k in range(len(data)) for i in data.get_data_info(k)["instances"]}
    assert {lvis.names[label] for label in labels} == {"forklift"}


def another_order(content) -> None:
    content["categories"].reverse()


@pytest.mark.parametrize("change", [one_class, another_order])
def test_training_on_other_classes_than_the_model_is_refused(
    change, world, tmp_path, repository, capsys
):
    ann_file = with_categories(world, tmp_path / "changed.json", change)
    first = json.loads((tmp_path / "changed.json").read_text())["categories"][0]["name"]
    options = [
        f"train_dataloader.dataset.data_root={world}",
        f"train_dataloader.dataset.ann_file={ann_file}",
        "train_dataloader.dataset.visible=all",
        "train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False",
    ]  # fmt: skip
    words = ["train", "configs/mini/detector.py", "--work-dir", str(tmp_path / "run")]
    assert main([*words, "--cfg-options", *options]) == 2
    message = capsys.readouterr().err
    assert f"label 0 is '{first}' in the data, '{world_vocabulary().names[0]}'" in message
    assert "set model.vocabulary to the annotation file" in message
    assert not list((tmp_path / "run").glob("*.pth"))
