"""The comparison of what quasi-dense association learns: detections, embeddings, scores."""

from __future__ import annotations

import json

import pytest
import torch
from mmengine.registry import init_default_scope

import ovtrack  # noqa: F401  registers the models
from tools.benchmarks.learning.__main__ import _data, _shuffle
from tools.benchmarks.learning.detections import (
    Recipe,
    _covered,
    detect,
    embeddings,
    find,
    histograms,
    oracle,
)
from tools.benchmarks.learning.tracking import score, track
from vovtrack.cli.main import main
from vovtrack.engine.packaged_trackers import find_tracker
from vovtrack.engine.run import load_config
from vovtrack.registry import DATASETS, MODELS


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("l") / "world"
    words = "synth --format bdd100k --videos 3 --held-out 2 --frames 6 --width 192 --height 128"
    assert main([*words.split(), "--dial", "speed=4", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def config(world, repo_root):
    return load_config(repo_root / "configs/mini/qdtrack.py", cfg_options=_data(world))


@pytest.fixture
def dataset(config):
    init_default_scope(config.default_scope)
    return DATASETS.build(config.test_dataloader.dataset)


def test_embeddings_that_know_the_objects_track_best(world, config, dataset):
    videos = detect(dataset, Recipe())
    assert [len(frames) for frames in videos] == [6, 6]
    again = detect(dataset, Recipe())
    assert torch.equal(videos[0][3].found.bboxes, again[0][3].found.bboxes)
    labels, tracker = world / "labels/box_track_20/val", config.model.tracker.to_dict()
    known = score(dataset, labels, track(tracker, videos, oracle(videos)))
    overlap = score(dataset, labels, track(find_tracker("iou"), videos))
    assert known["IDF1"] > 85 and known["IDF1"] > overlap["IDF1"] + 10


def test_models_and_colours_describe_every_detection(config, dataset):
    videos = detect(dataset, Recipe())
    model = MODELS.build(config.model).eval()
    for rows, width in (
        (embeddings(model, dataset, videos), 128),
        (histograms(dataset, videos), 512),
    ):
        for frames, found in zip(videos, rows, strict=True):
            shapes = [tuple(embeds.shape) for embeds in found]
            assert shapes == [(len(frame.found), width) for frame in frames]


def test_detections_of_a_model_know_the_objects_they_cover(config, dataset):
    videos = find(MODELS.build(config.model).eval(), dataset)
    assert [len(frames) for frames in videos] == [6, 6]
    found = [frame.found for frames in videos for frame in frames]
    assert all(len(one.identity) == len(one.bboxes) for one in found)
    info = dataset.get_data_info(0)
    real = torch.tensor([row["bbox"] for row in info["instances"]])
    covered = _covered(torch.cat([real + 0.5, real[:2] + 1000]), info)
    assert covered[:-2].tolist() == [row["instance_id"] for row in info["instances"]]
    assert len(set(covered[-2:].tolist())) == 2 and (covered[-2:] < 0).all()


def test_shuffled_identities_keep_boxes_and_names(world):
    labels = world / "labels/box_track_20"
    _shuffle(labels, seed=0)
    (path,) = (labels / "train").glob("*.json")
    before, after = (
        json.loads(p.read_text()) for p in (path, labels / "train_shuffled" / path.name)
    )
    pairs = [
        (own["id"], dealt["id"])
        for first, second in zip(before, after, strict=True)
        for own, dealt in zip(first["labels"], second["labels"], strict=True)
        if own["box2d"] == dealt["box2d"]
    ]
    assert len(pairs) == sum(len(frame["labels"]) for frame in before)
    assert {own for own, _ in pairs} == {dealt for _, dealt in pairs}
    assert len(set(pairs)) > len({own for own, _ in pairs})
