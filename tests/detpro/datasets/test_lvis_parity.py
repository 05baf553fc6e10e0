"""The base-only split and its repetition equal the released code's on a toy file."""

from __future__ import annotations

import json

import pytest
from mmengine.dataset import ClassBalancedDataset

from detpro.datasets import OpenVocabLVISDataset
from tests.detpro.golden import FOLDER

pytestmark = pytest.mark.golden

ANN_FILE = FOLDER / "lvis_base_split_ann.json"
EXPECTED = json.loads((FOLDER / "lvis_base_split.json").read_text())


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with a file for every image: they are not opened."""
    folder = tmp_path_factory.mktemp("lvis")
    for image in json.loads(ANN_FILE.read_text())["images"]:
        path = folder / image["coco_url"].removeprefix("http://images.cocodataset.org/")
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return folder


def dataset(images, **kwargs) -> OpenVocabLVISDataset:
    return OpenVocabLVISDataset(
        ann_file=str(ANN_FILE), data_prefix=dict(img=str(images)), serialize_data=False, **kwargs
    )


def test_training_sees_base_classes(images):
    found = [dataset(images).get_data_info(i) for i in range(len(EXPECTED["train_base"]))]
    for image, expected in zip(found, EXPECTED["train_base"], strict=True):
        assert image["img_id"] == expected["image_id"]
        assert image["img_path"].endswith(expected["file_name"])
        kept = [i for i in image["instances"] if not i["ignore_flag"]]
        ignored = [i for i in image["instances"] if i["ignore_flag"]]
        assert [i["bbox_label"] for i in kept] == expected["labels"]
        assert [list(map(float, i["bbox"])) for i in kept] == expected["bboxes"]
        assert [list(map(float, i["bbox"])) for i in ignored] == expected["bboxes_ignore"]
        assert image["category_ids"] == expected["raw_category_ids"]


@pytest.mark.parametrize("balance_by", ["all", "base", "kept"])
def test_repetition(images, balance_by):
    expected = EXPECTED[f"repeat_{balance_by}"]
    repeated = ClassBalancedDataset(
        dataset(images, balance_by=balance_by), oversample_thr=EXPECTED["oversample_thr"]
    )
    assert repeated.repeat_indices == expected["repeat_indices"]
    factors = repeated._get_repeat_factors(repeated.dataset, EXPECTED["oversample_thr"])
    assert factors == pytest.approx(expected["repeat_factors"], rel=1e-9)


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("test_mode", dict(test_mode=True, visible="all")),
        ("all_classes_train", dict(visible="all")),
    ],
)
def test_other_views(images, key, options):
    found = dataset(images, **options)
    ids = [found.get_data_info(i)["img_id"] for i in range(len(found))]
    assert ids == [image["image_id"] for image in EXPECTED[key]]
