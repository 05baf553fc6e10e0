"""Training data of prompts: labels, bins, and features that stay on disk."""

from __future__ import annotations

import json
import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from detpro.features.bank import BankHeader, RegionFeatureBank, start_bank, write_shard
from detpro.prompts import RegionEmbeddingDataset
from detpro.prompts.samples import read_samples
from vovtrack.errors import InputError
from vovtrack.structures import Vocabulary

DIMS = 8
OBJECT = [0.0, 0.0, 100.0, 100.0]
CATEGORIES = [
    dict(id=1, name="cat", frequency="f"),
    dict(id=2, name="okapi", frequency="r"),
    dict(id=3, name="dog", frequency="c"),
]


def overlapping(ious) -> np.ndarray:
    """Boxes inside of the object, with these overlaps."""
    return np.array([[0, 0, 100, 100 * iou] for iou in ious], np.float32).reshape(-1, 4)


@pytest.fixture
def write(tmp_path):
    """Write an annotation file of one object per image, and a bank of boxes per image."""

    def make(boxes: dict[int, np.ndarray], categories=None, name="bank", dims=DIMS):
        annotations = [
            dict(id=key, image_id=key, category_id=(categories or {}).get(key, 1), bbox=OBJECT)
            for key in boxes
        ]
        images = [dict(id=key, file_name=f"{key}.jpg", width=200, height=200) for key in boxes]
        path = tmp_path / "ann.json"
        path.write_text(
            json.dumps(dict(images=images, annotations=annotations, categories=CATEGORIES))
        )
        folder, generator = tmp_path / name, np.random.default_rng(0)
        shards = list(boxes)
        start_bank(folder, BankHeader(("c", "w"), "r", (1.0,), dims, len(shards)))
        for number, key in enumerate(shards):
            features = generator.normal(size=(len(boxes[key]), dims)).astype(np.float16)
            write_shard(folder, number, [key], [boxes[key]], features)
        return str(path), str(folder)

    return make


def test_a_region_has_the_label_of_what_it_overlaps_by_half(write):
    ious = (0.05, 0.1, 0.49, 0.5, 0.51, 1.0)
    ann, bank = write({1: overlapping(ious), 2: overlapping((0.6,))}, {1: 3, 2: 2})
    vocabulary = Vocabulary.load(ann)
    found = read_samples([bank], ann, vocabulary, "all", 0.1)
    assert found.labels.tolist() == [-1, -1, 2, 2, 2, 1]
    assert found.rows.tolist() == [1, 2, 3, 4, 5, 6]
    assert found.ious == pytest.approx([0.1, 0.49, 0.5, 0.51, 1.0, 0.6])
    # Novel objects are not seen in training: the second image then has none.
    assert read_samples([bank], ann, vocabulary, "base", 0.1).labels.tolist() == [-1, -1, 2, 2, 2]


@pytest.mark.parametrize(("share", "drawn"), [(0.1, 2), (0.5, 12), (1.0, 25), (0.0, 0)])
def test_a_share_of_the_background_is_drawn(write, share, drawn):
    ann, bank = write({1: overlapping([0.55] * 3 + [0.3] * 25 + [0.7] * 4)})
    data = RegionEmbeddingDataset(ann, [bank], iou_range=(0.5, 0.6), negative_share=share)
    assert (data.labels == 0).sum() == 3 and (data.labels == 2).sum() == drawn
    assert len(set(data.rows.tolist())) == len(data) == 3 + drawn
    other = RegionEmbeddingDataset(ann, [bank], iou_range=(0.5, 0.6), negative_share=share, seed=1)
    again = RegionEmbeddingDataset(ann, [bank], iou_range=(0.5, 0.6), negative_share=share)
    assert np.array_equal(again.rows, data.rows)
    assert np.array_equal(other.rows, data.rows) == (share == 0.0)


def test_features_of_several_banks_and_shards_are_the_rows(write):
    boxes = {key: overlapping(np.linspace(0.5, 1, 5 + key)) for key in (1, 2, 3)}
    ann, first = write(boxes)
    ann, second = write({3: boxes[3][:2], 1: boxes[1]}, name="second")
    ann, _ = write(boxes, name="third")
    data = RegionEmbeddingDataset(ann, [first, second], negative_share=0.0)
    banks = [RegionFeatureBank(first), RegionFeatureBank(second)]
    expected = [b.of(key)[1] for key in (1, 2, 3) for b in banks if key in b]
    expected = torch.from_numpy(np.concatenate(expected).astype(np.float32))
    assert torch.equal(torch.stack([data[i]["inputs"] for i in range(len(data))]), expected)
    for workers in (0, 2):
        loader = DataLoader(data, batch_size=4, num_workers=workers)
        assert torch.equal(torch.cat([batch["inputs"] for batch in loader]), expected)
    assert torch.equal(pickle.loads(pickle.dumps(data))[7]["inputs"], expected[7])


def test_features_stay_on_disk(write):
    """Building a bin takes a part of the memory that the features alone would."""
    boxes = {key: overlapping([0.55] * 1000 + [0.3] * 1000) for key in range(1, 21)}
    ann, bank = write(boxes, dims=256)
    size = RegionFeatureBank(bank).num_rows * 256 * np.dtype(np.float16).itemsize
    tracemalloc.start()
    data = RegionEmbeddingDataset(ann, [bank], iou_range=(0.5, 0.6))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data) == 22_000 and peak < size / 4


def test_banks_of_two_clips(write, tmp_path):
    ann, bank = write({1: overlapping([0.6])})
    header = BankHeader(("c", "w"), "r", (1.0,), DIMS + 1, 1)
    start_bank(tmp_path / "wide", header)
    write_shard(tmp_path / "wide", 0, [1], [overlapping([0.6])], np.zeros((1, DIMS + 1)))
    with pytest.raises(InputError, match=r"features of \[8, 9\] dimensions"):
        RegionEmbeddingDataset(ann, [bank, str(tmp_path / "wide")])


@pytest.fixture
def released(tmp_path):
    """Write a released file of prompt data."""

    def make(content=None, legacy=False) -> str:
        path = tmp_path / "train_data.pth"
        if content is None:
            labels, ious = torch.tensor([0, 2, -1, -1, 1]), torch.tensor([0.6, 1.0, 0.3, 0.2, 0.9])
            content = (torch.arange(5 * DIMS).view(5, DIMS).float(), labels, ious)
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        return str(path)

    return make


@pytest.fixture
def names(tmp_path):
    """A vocabulary with a novel class."""
    path = tmp_path / "names.json"
    path.write_text(json.dumps(dict(images=[], annotations=[], categories=CATEGORIES)))
    return str(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_released_file(released, names, legacy):
    data = RegionEmbeddingDataset(
        data_file=released(legacy=legacy), vocabulary=names, negative_share=1.0
    )
    assert data.labels.tolist() == [0, 1, 2, 2] and sorted(data.rows.tolist()) == [0, 1, 2, 3]
    assert data[1]["inputs"].tolist() == list(range(DIMS, 2 * DIMS))
    every = RegionEmbeddingDataset(data_file=released(), vocabulary=names, visible="all")
    assert every.labels.tolist() == [0, 2, -1, -1, 1]
    assert pickle.loads(pickle.dumps(every))[4]["inputs"][0] == 4 * DIMS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": torch.ones(2)}, "not a file of prompt data"),
        ((torch.ones(2, 3), torch.ones(2)), "not a file of prompt data"),
        ((torch.ones(2, 3), torch.ones(2).long(), [0.5, 0.6]), "not a file of prompt data"),
        ((torch.ones(2, 3), torch.ones(3).long(), torch.ones(2)), r"expected \(R, D\)"),
        ((torch.ones(2), torch.ones(2).long(), torch.ones(2)), r"expected \(R, D\)"),
        ((torch.ones(2, 3), torch.tensor([0, 3]), torch.ones(2)), "vocabulary of 3 classes"),
        ((torch.ones(2, 3), torch.ones(2), torch.ones(2)), "vocabulary of 3 classes"),
        ((torch.ones(2, 3), torch.ones(2).long(), torch.tensor([0.5, np.nan])), "overlaps"),
        ((torch.ones(2, 3), torch.ones(2).long(), torch.tensor([0.5, 3])), "overlaps"),
        ((print, 1, 2), "would execute 'builtins.print'"),
    ],
)
def test_other_files(released, names, content, message):
    with pytest.raises(InputError, match=f"train_data.pth'.*{message}"):
        RegionEmbeddingDataset(data_file=released(content), vocabulary=names)


@pytest.mark.parametrize("given", [{}, dict(ann_file="a.json"), dict(data_file="d.pth")])
def test_what_is_needed(given):
    with pytest.raises(InputError, match="needs ann_file and banks, or data_file and vocabulary"):
        RegionEmbeddingDataset(**given)
