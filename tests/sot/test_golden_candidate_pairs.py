"""Pairs of frames' candidates that KeepTrack learns from, against what the original made."""

from __future__ import annotations

import numpy as np
import pytest

from tests.sot.draws import Draws
from vovtrack.sot.datasets.candidate_pairs import (
    FrameCandidates,
    PairSettings,
    frames_of,
    jitter_area,
    views_of,
)
from vovtrack.sot.datasets.windows import cut_part
from vovtrack.sot.models.target_model import MEAN, STD

NAME = "training_sampling.npz"
NAMES = dict(
    candidate_img_coords="points",
    candidate_tsm_coords="cells",
    candidate_scores="scores",
    candidate_valid="real",
)


class Pair:
    """What went into a recorded pair, and what came out."""

    def __init__(self, recorded, number: int) -> None:
        self.arrays, meta = recorded.arrays(NAME), recorded.meta(NAME)
        self.start, self.mode = f"kt{number}_", meta[f"kt{number}_mode"]
        self.draws = Draws(meta[f"kt{number}_draws"])
        padded = "real candidates only" not in self.mode
        self.settings = PairSettings(count=PairSettings.count if padded else None)
        self.shape = tuple(self("img_shape0")[0].tolist())
        self.frames = tuple(
            FrameCandidates.of(
                self(f"in_search_area_box{k}"),
                self(f"in_target_candidate_coords{k}"),
                self(f"in_target_candidate_scores{k}"),
                self.settings,
            )
            for k in (0, 1)
        )

    def __call__(self, name: str) -> np.ndarray:
        return self.arrays[self.start + name]

    def target(self, frame: int) -> int:
        cells = self(f"in_target_candidate_coords{frame}")
        return int((cells == self(f"in_target_anno_coord{frame}")).all(axis=1).argmax())

    def check(self, made) -> None:
        for k, frame in enumerate((made.first, made.second)):
            for name, ours in NAMES.items():
                found, wanted = getattr(frame, ours), self(f"{name}{k}")[0]
                np.testing.assert_allclose(found, wanted, atol=1e-3, err_msg=f"{self.start}{name}")
            assert made.partners[k].tolist() == self(f"gt_matches{k}")[0].tolist()
        pairs = np.zeros(self("gt_assignment")[0].shape)
        known = np.flatnonzero(made.partners[0] >= 0)
        pairs[known, made.partners[0][known]] = 1
        np.testing.assert_array_equal(pairs, self("gt_assignment")[0])
        assert self.draws.left == []

    def check_pixels(self, frame: int, patch: np.ndarray) -> None:
        wanted = self(f"img_cropped{frame}")[0].transpose(1, 2, 0) * np.array(STD) + np.array(MEAN)
        step = patch.shape[0] // wanted.shape[0]
        away = np.abs(patch[::step, ::step] - wanted)
        assert away.max() <= 2.01 and away.mean() < 0.1, "other OpenCVs round otherwise"


@pytest.fixture(scope="module")
def pairs(recorded):
    """All of them; they are of the first two frames."""
    numbers = sorted(
        int(key[2:-5]) for key in recorded.meta(NAME) if key[:2] == "kt" and key[-5:] == "_mode"
    )
    assert numbers
    return [lambda n=number: Pair(recorded, n) for number in numbers]


@pytest.fixture(scope="module")
def video(recorded):
    return recorded.arrays("online_video.npz")["frames"]


def _cut(image, area, side):
    x, y, w, h = (int(value) for value in area)
    return cut_part(image, np.array([x, y]), (w, h), side)


def _side(pair):
    """Of crops, of which every 16th pixel is stored."""
    return 16 * pair("img_cropped0").shape[-1]


def test_views_of_one_frame(pairs, video):
    made = 0
    for make in pairs:
        pair = make()
        if pair.mode != "self_sup":
            continue
        frame = pair.frames[0]
        area = jitter_area(frame.area, pair.settings.jitter, pair.draws)
        # The recording changes brightness by a fifth, and mirrors pixels, though not candidates.
        brightness, mirrored = pair.draws.uniform(0.8, 1.2), pair.draws.random() < 0.5
        pair.check(views_of(frame, area, pair.shape, pair.settings, pair.draws))
        pair.check_pixels(0, _cut(video[0], frame.area, _side(pair)))
        second = np.minimum(_cut(video[0], area, _side(pair)) * brightness, 255)
        pair.check_pixels(1, second[:, ::-1] if mirrored else second)
        made += 1
    assert made


def test_frames_of_a_video(pairs, video):
    left_out = set()
    for make in pairs:
        pair = make()
        if pair.mode == "self_sup":
            continue
        targets = (pair.target(0), pair.target(1))
        pair.check(frames_of(pair.frames, targets, pair.shape, pair.settings, pair.draws))
        for k in (0, 1):
            pair.check_pixels(k, _cut(video[k], pair.frames[k].area, _side(pair)))
            left_out.add((k, bool(pair(f"candidate_valid{k}")[0][targets[k]])))
    assert left_out == {(0, True), (0, False), (1, True), (1, False)}
