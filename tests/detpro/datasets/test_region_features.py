"""Regions in training samples: they follow the image, keep their embeddings, and may be missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

import vovtrack.datasets  # noqa: F401  registers the transforms
from detpro.datasets import LoadRegionFeatures, OpenVocabLVISDataset
from detpro.features.bank import RegionFeatureBank
from detpro.features.region_set import RegionSet
from vovtrack.errors import InputError


@pytest.fixture(autouse=True)
def scope():
    """The scope in which configs name mmdet's transforms."""
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


def dataset(world, ann_file, load: dict, *moves: dict) -> OpenVocabLVISDataset:
    pipeline = [
        dict(type="LoadCheckedImage"),
        dict(type="LoadRegionFeatures", **load),
        dict(type="LoadAnnotations", with_bbox=True),
        *moves,
        dict(type="PackRegionInputs"),
    ]
    prefix = dict(img=str(world / "lvis/images"))
    return OpenVocabLVISDataset(ann_file=str(ann_file), data_prefix=prefix, pipeline=pipeline)


def test_regions_follow_the_image_and_keep_their_rows(world, ann_file, bank):
    moves = [dict(type="RandomFlip", prob=1.0), dict(type="Resize", scale=(512, 384))]
    data = dataset(world, ann_file, dict(bank=str(bank), max_regions=None), *moves)
    sample = data[0]["data_samples"]
    boxes, features = RegionFeatureBank(bank).of(sample.img_id)
    x1, y1, x2, y2 = np.clip(boxes, 0, [256, 192, 256, 192]).T * 2
    expected = torch.from_numpy(np.stack([512 - x2, y1, 512 - x1, y2], axis=1))
    assert torch.allclose(sample.regions.bboxes, expected.float(), atol=1e-3)
    assert torch.equal(sample.regions.embeds, torch.from_numpy(features.astype(np.float32)))


def test_a_part_of_the_regions_is_drawn(world, ann_file, bank):
    data = dataset(world, ann_file, dict(bank=str(bank), max_regions=4))
    np.random.seed(0)
    first, second = (data[0]["data_samples"].regions for _ in range(2))
    assert len(first) == len(second) == 4
    assert not torch.equal(first.bboxes, second.bboxes)


@pytest.fixture
def part(tmp_path, regions, paths, clip):
    """A bank of two thirds of the images."""
    from detpro.features.encoder import RegionEncoder
    from detpro.features.extract import extract_bank

    keys = regions.image_ids.tolist()[:8]
    some = RegionSet.collect((key, *regions.of(key)) for key in keys)
    extract_bank(tmp_path / "part", some, paths, RegionEncoder(clip))
    return tmp_path / "part"


def test_missing_features_are_an_error_before_training(world, ann_file, part):
    with pytest.raises(InputError, match="lacks 4 of 12 images, the first 9: extract it"):
        dataset(world, ann_file, dict(bank=str(part)))


def test_or_trained_without_regions(world, ann_file, part):
    data = dataset(world, ann_file, dict(bank=str(part), on_missing="skip"))
    counts = [len(data[i]["data_samples"].regions) for i in range(12)]
    assert all(counts[:8]) and not any(counts[8:])
    assert data[11]["data_samples"].regions.embeds.shape == (0, 64)


def test_or_left_to_the_model(world, ann_file, part, regions, tmp_path):
    regions.save(tmp_path / "r.safetensors")
    load = dict(bank=str(part), on_missing="online", proposals=str(tmp_path / "r.safetensors"))
    data = dataset(world, ann_file, load)
    encoded = ["embeds" in data[i]["data_samples"].regions for i in range(12)]
    assert encoded == [True] * 8 + [False] * 4
    with pytest.raises(InputError, match="made with another regions"):
        dataset(world, ann_file, load | dict(on_missing="skip"))
    data = dataset(world, ann_file, load | dict(bank=None, load_feature=False))
    assert all("embeds" not in data[i]["data_samples"].regions for i in range(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(), "has no bank: make one"),
        (dict(bank="nowhere"), "not a feature bank"),
        (dict(load_feature=False), "needs 'proposals'"),
        (dict(bank="x", on_missing="ignore"), "on_missing is 'ignore'"),
    ],
)
def test_what_cannot_load(options, message):
    with pytest.raises(InputError, match=message):
        LoadRegionFeatures(**options)
