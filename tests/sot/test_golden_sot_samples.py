"""Frames to train on, from their drawing to labels, with the draws of the original."""

from __future__ import annotations

import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.config import Config

from tests.places import ROOT
from tests.sot.draws import Draws
from vovtrack.registry import TRANSFORMS
from vovtrack.sot.datasets import TargetClips
from vovtrack.sot.datasets.gaps import FrameGaps
from vovtrack.sot.datasets.proposals import perturb_box
from vovtrack.sot.datasets.windows import boxes_in_square, cut_square, place_square
from vovtrack.structures.videos import FrameRecord, VideoRecord, VideoSet

NAME, SAMPLING, VIDEO = "training_samples.npz", "training_sampling.npz", "online_video.npz"
GREY_LEVELS, RARE = 1.01, 2.01
"""By which OpenCV's versions may round otherwise, and may in few places."""
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def shipped(name: str) -> list[dict]:
    """What a shipped config does between reading and packing."""
    config = Config.fromfile(ROOT / f"configs/_base_/datasets/{name}.py")
    first, *steps, last = config.target_pipeline
    assert (first.type, last.type) == ("LoadTargetFrames", "PackTargets")
    return steps


RECIPES = {
    "dimp50": shipped("target_clips"),
    "super_dimp": shipped("target_clips_far"),
    "tomp50": shipped("target_clips_tomp"),
    "atom": shipped("target_clips_atom"),
}
KEYS = dict(
    proposals="test_proposals",
    overlap="proposal_iou",
    proposal_density="proposal_density",
    truth_density="gt_density",
)
ENDS = dict(sides="ltrb_target", region="sample_region")
"""Names of the recordings, with and without the part before."""


@pytest.fixture(scope="module")
def arrays(recorded):
    return recorded.arrays(NAME)


@pytest.fixture(scope="module")
def meta(recorded):
    return recorded.meta(NAME)


@pytest.fixture(scope="module")
def video(recorded):
    return recorded.arrays(VIDEO)


def test_squares(arrays, meta, video):
    assert meta["crops"]
    for number, case in enumerate(meta["crops"]):
        image, out = video["frames"][case["frame"]], case["out"]
        border = "pad" if case["mode"] == "atom" else case["mode"]
        box = np.array(case["box"], np.float32)
        square = place_square(
            image.shape[:2], box, case["area"], out, border, case["max_scale_change"]
        )
        if f"crop{number}_region" in arrays:
            region = [*square.start, square.side, square.side]
            assert region == arrays[f"crop{number}_region"].tolist()
        else:
            assert out / square.side == pytest.approx(float(arrays[f"crop{number}_factor"]))
        same_pixels(cut_square(image, square, out), arrays[f"crop{number}"])
        target = video["gt"][case["frame"]].astype(np.float32)
        found = boxes_in_square(target, square, out)
        np.testing.assert_allclose(found, arrays[f"crop{number}_box"], atol=2e-3, err_msg=number)


def same_pixels(found, wanted, scale=1.0):
    """Grey levels, a few of which may be rounded otherwise."""
    off = np.abs(found.astype(float) - wanted) * scale
    assert off.max() <= RARE and (off > GREY_LEVELS).mean() < 1e-3 and off.mean() < 0.5


class Sample:
    """A recorded sample, and what our pipeline makes of its frames."""

    def __init__(self, arrays, meta, video, recipe: str, number: int) -> None:
        self.arrays, self.start = arrays, f"{recipe}_{number}_"
        frames = meta[f"{self.start}frames"]
        learned = self.wanted("train_anno").size // 4
        self.draws = Draws(meta[f"{self.start}draws"])
        self.results = dict(rng=self.draws, paths=dict(train=[], test=[]))
        for part, chosen in (("train", frames[:learned]), ("test", frames[learned:])):
            boxes = video["gt"][chosen].astype(np.float32)
            images = [video["frames"][frame] for frame in chosen]
            self.results[part] = dict(images=images, boxes=boxes)
        steps = [dict(step) for step in RECIPES[recipe]]
        for step in steps:
            if step["type"].startswith("Draw"):
                step["count"] = self.wanted("test_proposals").shape[-2]
            if step["type"] == "LabelCentres":
                step["density"] = f"{self.start}test_label_density" in arrays
        pipeline = Compose([TRANSFORMS.build(step) for step in steps])
        self.results = pipeline(self.results)

    def wanted(self, key: str) -> np.ndarray:
        return self.arrays[self.start + key]

    def check(self, key: str, found, near: float) -> None:
        wanted = self.wanted(key)
        found = np.asarray(found, np.float32).reshape(wanted.shape)
        np.testing.assert_allclose(found, wanted, rtol=near, atol=near, err_msg=key)

    def check_images(self, part: str) -> None:
        images = np.stack(self.results[part]["images"])
        wanted = self.arrays[f"{self.start}{part}_images"]
        wanted = wanted.reshape(-1, *wanted.shape[-3:]).transpose(0, 2, 3, 1)
        same_pixels(images[:, ::12, ::12], (wanted * STD + MEAN) * 255)
        means = self.arrays[f"{self.start}{part}_images_mean"]
        found = (images.mean(axis=(1, 2)) / 255 - MEAN) / STD
        np.testing.assert_allclose(found, means, atol=0.3 / 255 / STD.min())


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("recipe", RECIPES)
def test_samples(arrays, meta, video, recipe, number):
    sample = Sample(arrays, meta, video, recipe, number)
    assert not sample.draws.left
    for part in ("train", "test"):
        sample.check_images(part)
        sample.check(f"{part}_anno", sample.results[part]["boxes"], near=2e-4)
        for name, value in sample.results[part].items():
            if name == "density":
                # Theirs is not normalised in this recipe, which does not learn from it.
                wanted = sample.wanted(f"{part}_label_density")
                total = wanted.sum(axis=(1, 2), keepdims=True)
                some = total.ravel() > 0.01
                wanted = wanted[some] / total[some]
                np.testing.assert_allclose(value[some], wanted, rtol=1e-3, atol=1e-5)
            elif name not in ("images", "boxes"):
                sample.check(KEYS.get(name, f"{part}_{ENDS.get(name, name)}"), value, near=1e-3)


def test_perturbed_boxes(recorded):
    rows, draws = recorded.arrays(SAMPLING)["perturb"], recorded.meta(SAMPLING)["perturb_draws"]
    sigmas = (0.01, 0.05, 0.1, 0.2, 0.3)
    assert len(rows) == len(draws)
    for number, (row, drawn) in enumerate(zip(rows, draws, strict=True)):
        rng = Draws(drawn)
        least = 0.1 if number % 6 < 3 else 0.6
        box, overlap = perturb_box(row[:4], least, sigmas[rng.integers(len(sigmas))], rng)
        assert not rng.left, number
        np.testing.assert_allclose(box, row[4:8], atol=1e-3)
        assert overlap == pytest.approx(row[8], abs=1e-5)


@pytest.fixture(scope="module")
def clips(recorded, tmp_path_factory):
    """Videos of recorded visibility, and pictures, with frames that a sampler draws."""
    root = tmp_path_factory.mktemp("frames")
    (root / "frame.jpg").touch()
    box = [[10, 10, 20, 20]]
    samples = recorded.meta(SAMPLING)["samples"]
    # The second draw is of a target, among 0 and the last one.
    count = next(s["draws"][1][1][1] + 1 for s in samples if s["dataset"] == "image")

    def videos(path) -> VideoSet:
        records = [
            VideoRecord.of(
                str(number),
                (
                    FrameRecord(k, "frame.jpg", box, [0], [0])
                    if seen
                    else FrameRecord(k, "frame.jpg")
                    for k, seen in enumerate(shown)
                ),
            )
            for number, shown in enumerate(recorded.meta(SAMPLING)["visible"])
        ]
        return VideoSet(("object",), records)

    def pictures(path) -> VideoSet:
        frames = [[FrameRecord(0, "frame.jpg", box, [0], [0])] for _ in range(count)]
        return VideoSet(("object",), [VideoRecord.of(str(n), f) for n, f in enumerate(frames)])

    sources = [
        dict(reader=dict(format=read), data_prefix=dict(img=str(root)))
        for read in (videos, pictures)
    ]
    return TargetClips(sources, dict(train=1, test=1, max_gap=1), [], samples=1, weights=[1, 0.5])


@pytest.mark.parametrize("sampler", ["causal", "interval", "causal_tomp"])
def test_drawn_frames(recorded, clips, sampler):
    cases = [case for case in recorded.meta(SAMPLING)["samples"] if case["sampler"] == sampler]
    assert cases
    for case in cases:
        counts = [len(case[part]) for part in ("train", "test")]
        clips.gaps = FrameGaps(*counts, case["max_gap"], sampler.partition("_")[0])
        rng = Draws(case["draws"])
        source, target, *parts = clips.draw(rng)
        assert not rng.left
        assert ("video", "image")[source] == case["dataset"]
        for frames, wanted in zip(parts, (case["train"], case["test"]), strict=True):
            # The original numbers the only frame of a picture otherwise.
            named = [f"{target}:{1 if source else frame}" for frame in frames]
            assert named == wanted
