"""The renderer's truth is exact: masks, boxes, motion and points agree with the pixels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.synthetic.appearance import draw_look
from vovtrack.synthetic.classes import COLOURS, PATTERNS, SHAPES, compositions
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.outlines import outline_area, shape_outline
from vovtrack.synthetic.scene import Scene, SceneRecipe
from vovtrack.synthetic.truth import BACKGROUND, COVER, SurfacePoints

STILL_LIGHT = Dials(blur=0, darkness=0, drift=0)


def scene(seed: int = 0, frames: int = 12, **dials: float) -> Scene:
    recipe = SceneRecipe(frames, 256, 192, min_objects=4, max_objects=6)
    return Scene(np.random.default_rng(seed), replace(recipe, dials=STILL_LIGHT.turned(**dials)))


def test_every_pair_of_attributes_is_seen_in_training():
    base = [c for c in compositions() if not c.novel]
    assert len(compositions()) == len(PATTERNS) * len(COLOURS) * len(SHAPES) >= 150
    assert {(c.pattern, c.colour) for c in base} == {(p, c) for p in PATTERNS for c in COLOURS}
    assert {(c.pattern, c.shape) for c in base} == {(p, s) for p in PATTERNS for s in SHAPES}
    assert {(c.colour, c.shape) for c in base} == {(c, s) for c in COLOURS for s in SHAPES}


@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_fill_their_square_and_enclose_what_is_painted(shape):
    outline = shape_outline(shape)
    assert np.abs(outline).max() <= 1.001
    mask = np.zeros((400, 400), np.uint8)
    cv2.fillPoly(mask, [np.round((outline + 1) * 200).astype(np.int32)], 1)
    assert mask.sum() / 200**2 == pytest.approx(outline_area(outline), rel=0.02)


def test_an_object_alone_fills_its_whole_box_and_area():
    for seed in range(6):
        truth = scene(seed, occlusion=0).truth_of(3)
        for i in np.flatnonzero((truth.inside == 1) & (truth.visible > 0.97)):
            assert np.abs(truth.bboxes[i] - truth.whole_bboxes[i]).max() < 2.5  # sharp tips
            assert truth.areas[i] == pytest.approx(truth.whole_areas[i], rel=0.08)


def test_hidden_objects_are_those_behind():
    truth = scene(2, occlusion=4).truth_of(0)
    assert (truth.layers == COVER).any() and (truth.layers == BACKGROUND).any()
    assert (truth.visible <= 1).all() and (truth.inside <= 1).all()
    shown = truth.bboxes[truth.annotated]
    assert (shown[:, :2] >= 0).all() and (shown[:, 2:] <= (256, 192)).all()


def test_points_keep_to_their_surface():
    """Warped back to the first frame, every object looks as it did there."""
    errors = []
    for seed in range(5):
        video = scene(seed, photographs=0)
        frames, truths = zip(*(video.render(t) for t in range(0, 12, 3)), strict=True)
        rows, columns = np.nonzero(truths[0].layers >= 0)
        pick = np.random.default_rng(seed).choice(len(rows), 300)
        places = np.stack([columns[pick], rows[pick]], axis=1) + 0.5
        tracks, visible = SurfacePoints.at(truths[0], places).follow(truths)
        assert np.allclose(tracks[:, 0], places) and visible[:, 0].all()
        first = _colours(frames[0], tracks[:, 0])
        for t in range(1, len(frames)):
            seen = visible[:, t]
            errors.append(np.abs(_colours(frames[t], tracks[:, t]) - first)[seen].mean(axis=1))
    assert np.median(np.concatenate(errors)) < 4
    assert np.mean(np.concatenate(errors) > 60) < 0.08


def test_the_background_moves_with_the_camera():
    video = scene(1, clutter=3, shake=1)
    places = np.array([[20.5, 30.5], [200.5, 150.5], [128.5, 20.5]])
    truths = [video.truth_of(t) for t in range(12)]
    on_background = places[[truths[0].layers[int(y), int(x)] == BACKGROUND for x, y in places]]
    tracks, _ = SurfacePoints.at(truths[0], on_background).follow(truths)
    assert len(tracks) and np.ptp(tracks, axis=1).max() > 2


def test_points_on_a_cover_are_refused():
    truth = scene(2, occlusion=4).truth_of(0)
    row, column = np.argwhere(truth.layers == COVER)[0]
    with pytest.raises(ValueError, match="cover"):
        SurfacePoints.at(truth, np.array([[column + 0.5, row + 0.5]]))


def test_dials_do_what_they_say():
    def travel(**dials: float) -> float:
        video = scene(4, occlusion=0, **dials)
        centres = np.stack([video.truth_of(t).motion[:, :, 2] for t in range(12)])
        return float(np.hypot(*np.diff(centres, axis=0).reshape(-1, 2).T).mean())

    assert travel(speed=0) < travel() < travel(speed=3)
    assert scene(4, blur=10).truth_of(5).blur.max() > scene(4, blur=0).truth_of(5).blur.max() == 0
    assert scene(4, darkness=10).truth_of(0).light < 0.6 < scene(4).truth_of(0).light
    assert len(scene(4, crowd=3).labels) > len(scene(4).labels)
    assert len(set(scene(4, lookalikes=10).labels.tolist())) == 1
    covered = (scene(4, occlusion=6).truth_of(0).layers == COVER).mean()
    assert covered > (scene(4, occlusion=0).truth_of(0).layers == COVER).mean() == 0


def test_lookalikes_may_share_their_texture():
    def sprites(**dials: float) -> list[np.ndarray]:
        return [p[0] for p in scene(5, lookalikes=10, **dials)._sprites]

    first, *others = sprites(shared_texture=1)
    assert others and all(np.array_equal(first, other) for other in others)
    first, *others = sprites()
    assert not any(np.array_equal(first, other) for other in others)


def test_objects_of_a_class_may_have_the_same_colours():
    def corners(tints: float) -> list[tuple[float, ...]]:
        looks = [
            draw_look(np.random.default_rng(seed), compositions()[3], tints=tints)
            for seed in range(6)
        ]
        return [(*look.primary, *look.secondary, *look.border) for look in looks]

    assert len(set(corners(tints=0))) == 1
    plain, wild = np.array(corners(tints=1)), np.array(corners(tints=10))
    assert (wild.std(axis=0) > plain.std(axis=0)).mean() > 0.5
    assert wild.min() >= 0 and wild.max() <= 1


@pytest.mark.parametrize("name, value, words", [("sped", 1, "speed"), ("speed", -1, "from 0")])
def test_wrong_dials_are_sentences(name, value, words):
    with pytest.raises(InputError, match=words):
        Dials().turned(**{name: value})


def _colours(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    x, y = (places - 0.5).astype(np.float32).T
    return cv2.remap(image, x[None], y[None], cv2.INTER_LINEAR)[0].astype(float)
