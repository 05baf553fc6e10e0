"""A tiny world, its regions and their feature bank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detpro.features.encoder import RegionEncoder
from detpro.features.extract import extract_bank
from detpro.features.region_set import RegionSet
from tests.places import CLIP
from vovtrack.formats.coco import image_paths, read_images
from vovtrack.models.clip.encoder import ClipEncoder
from vovtrack.structures import Vocabulary


@pytest.fixture(scope="session")
def clip() -> ClipEncoder:
    """The shipped mini CLIP."""
    return ClipEncoder(**CLIP)


@pytest.fixture(scope="session")
def ann_file(world) -> Path:
    """Training stills."""
    return world / "lvis/annotations/train.json"


@pytest.fixture(scope="session")
def regions(ann_file) -> RegionSet:
    """Annotated boxes, each also moved and grown, like proposals."""
    generator = np.random.default_rng(0)

    def propose(record: dict) -> np.ndarray:
        boxes = np.array([i["bbox"] for i in record["instances"]], float).reshape(-1, 4)
        moved = boxes + generator.normal(0, 4, boxes.shape)
        random = np.sort(generator.uniform(0, 150, (6, 2, 2)), axis=1).reshape(6, 4)
        return np.concatenate([boxes, moved, random])

    images = read_images(ann_file, Vocabulary.load(ann_file))
    found = [(r["id"], b := propose(r), np.ones(len(b))) for r in images]
    return RegionSet.collect(found)


@pytest.fixture(scope="session")
def paths(world, ann_file) -> dict[int, str]:
    """Image files by id."""
    return image_paths(ann_file, world / "lvis/images")


@pytest.fixture(scope="session")
def bank(tmp_path_factory, regions, paths, clip) -> Path:
    """The bank of the regions, five images to a shard."""
    folder = tmp_path_factory.mktemp("bank")
    extract_bank(folder, regions, paths, RegionEncoder(clip), images_per_shard=5)
    return folder
