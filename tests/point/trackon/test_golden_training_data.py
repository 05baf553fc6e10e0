"""Training clips of MOVi-F, as the original draws and augments them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from mmengine.config import Config

import vovtrack.point  # noqa: F401  registers the transforms
from vovtrack.registry import TRANSFORMS

FLOATS = dict(rtol=1e-9, atol=1e-9)
MEANS = dict(rtol=1e-5)
"""Of float32 sums over a frame, in another order."""


class Case(NamedTuple):
    """A recorded clip: what it was made with, and what came out."""

    name: str
    settings: dict
    crop: list[int]
    arrays: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def cases(recorded):
    expected = recorded.json("data/movi_f_expected.json")
    arrays = recorded.arrays("data/movi_f_expected.npz")
    return [
        Case(
            name,
            settings,
            expected["crop"],
            {k.split("/")[1]: arrays[k] for k in arrays if k.split("/")[0] == name},
        )
        for name, settings in expected.items()
        if isinstance(settings, dict)
    ]


@pytest.fixture(scope="module")
def sample(recorded):
    """The recorded sample."""
    (folder,) = recorded.path("data/movi_f").iterdir()
    return folder


@pytest.fixture(scope="module")
def published(repo_root):
    """The pipeline of the published training."""
    return Config.fromfile(repo_root / "configs/_base_/datasets/movi_f.py").clip_pipeline


def run(steps: list[dict], sample, seed: int | None) -> dict:
    """What a pipeline makes of the sample; without a seed nothing may be drawn."""
    np.random.seed(seed)
    torch.manual_seed(seed or 0)
    clip = dict(sample_path=str(sample))
    for step in steps:
        clip = TRANSFORMS.build(step)(clip)
    return clip


def published_steps(published, crop: list[int]) -> list[dict]:
    """The published augmentation, up to the choice of points, at the size of a crop."""
    sizes = dict(DriftScale=dict(size=crop), DriftCrop=dict(size=crop))
    names = [step["type"] for step in published]
    steps = published[: names.index("PickPoints")]
    return [dict(step, **sizes.get(step["type"], {})) for step in steps]


def same_points(clip: dict, tracks: np.ndarray, visible: np.ndarray) -> None:
    """Compare with recorded tracks, which are filled up with zeros."""
    count = len(clip["points"])
    np.testing.assert_allclose(clip["points"].transpose(1, 0, 2), tracks[:, :count], **FLOATS)
    assert (visible[:, :count] == clip["visible"].T).all()
    assert not tracks[:, count:].any() and not visible[:, count:].any()


def same_frames(clip: dict, arrays: dict[str, np.ndarray]) -> None:
    """Compare with every fourth frame, of which every eighth pixel, and all means."""
    frames = np.stack(clip["frames"]).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(frames[::4, :, ::8, ::8], arrays["rgbs"])
    np.testing.assert_allclose(frames.mean((2, 3), dtype=float), arrays["rgb_mean"], **MEANS)


def test_augmented_clips_are_those_of_the_seed(sample, cases, published):
    augmented = [case for case in cases if "seed" in case.settings]
    assert augmented
    for case in augmented:
        steps = published_steps(published, case.crop)
        clip = run(steps, sample, case.settings["seed"])
        same_frames(clip, case.arrays)
        for kind, shuffle in (("", True), ("_in_order", False)):
            pick = dict(type="PickPoints", most=case.settings["max_points"], shuffle=shuffle)
            picked = TRANSFORMS.build(pick)(dict(clip))
            assert len(picked["points"]) == case.settings["num_points"]
            same_points(picked, *(case.arrays[f"{name}{kind}"] for name in ("tracks", "visible")))


def test_clips_without_augmentation_and_their_queries(sample, cases):
    plain = [case for case in cases if "seed" not in case.settings]
    assert plain
    for case in plain:
        steps = [
            dict(type="LoadPointClip"),
            dict(type="CentreCrop", size=case.crop),
            dict(type="PickPoints", most=case.settings["max_points"], shuffle=False),
        ]
        clip = run(steps, sample, seed=None)
        assert len(clip["points"]) == case.settings["num_points"]
        same_frames(clip, case.arrays)
        same_points(clip, case.arrays["tracks"], case.arrays["visible"])
        torch.manual_seed(case.settings["train_queries_torch_seed"])
        clip = TRANSFORMS.build(dict(type="DrawQueries"))(clip)
        np.testing.assert_allclose(clip["queries"], case.arrays["train_queries_txy"], **FLOATS)
