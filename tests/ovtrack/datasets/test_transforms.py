"""Objects painted in colours of their own: wherever a transform moves them, their box follows."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from mmdet.structures.bbox import bbox_project
from mmengine.dataset import Compose

from ovtrack.datasets import PairMixUp, PairMosaic
from vovtrack.errors import InputError

SCALE = (160, 120)
LOAD = [dict(type="mmdet.LoadTrackAnnotations")]
AFFINE = dict(type="mmdet.TrackRandomAffine", scaling_ratio_range=(0.5, 1.5))
AFTER = [
    AFFINE,
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(
        type="RandomChoiceResize",
        scales=[(300, 200), (240, 160)],
        resize_type="mmdet.Resize",
        keep_ratio=True,
    ),
    dict(type="mmdet.PairFilterAnnotations", min_gt_bbox_wh=(1, 1)),
]


def colour(identity: int) -> np.ndarray:
    """One of 27 colours, far from each other, from the black ground and from grey padding."""
    return np.array([60, 150, 240])[[identity // 9, identity // 3 % 3, identity % 3]]


def scene(source: int, seed: int, size=(90, 130), drop=()) -> dict:
    """An image whose five objects do not touch; identity 5 * source + n has a colour of its own.

    Pictures carry the painted boxes in ``boxes``, whatever the annotation keeps.
    """
    rng = np.random.default_rng([source, seed])
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    instances, painted = [], {}
    columns = np.linspace(0, width, 6).astype(int)
    for number, (left, right) in enumerate(pairwise(columns)):
        x1, x2 = left + 2, right - 2
        y1 = int(rng.integers(2, height // 2))
        y2 = y1 + int(rng.integers(14, height // 2 - 2))
        identity = 5 * source + number
        image[y1:y2, x1:x2] = colour(identity)
        painted[identity] = [x1, y1, x2, y2]
        if number not in drop:
            instances.append(
                dict(bbox=painted[identity], bbox_label=number, instance_id=number, ignore_flag=0)
            )
    results = dict(img=image, img_shape=size, ori_shape=size, instances=instances, boxes=painted)
    return Compose(LOAD)(results)


def painted_box(image: np.ndarray, identity: int, tolerance: int = 6):
    """Hull of the pixels of a colour, None if the object is not seen.

    Smoothed edges pass through the colours of others, but are one or two pixels thin.
    """
    same = (np.abs(image.astype(int) - colour(identity)) <= tolerance).all(axis=2)
    core = cv2.erode(same.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
    ys, xs = np.nonzero(core)
    if len(xs) == 0:
        return None
    return np.array([xs.min() - 1, ys.min() - 1, xs.max() + 2, ys.max() + 2])


def identity_of(label: int, source: int) -> int:
    return 5 * source + label


def assert_boxes_hold_their_objects(results: dict, slack: float) -> int:
    """Each object seen lies in the box that bears its label and source; returns how many."""
    found = 0
    boxes, sources = results["gt_bboxes"], results.get("gt_sources")
    sources = np.zeros(len(boxes), int) if sources is None else sources
    rows = {
        identity_of(label, source): row
        for row, (label, source) in enumerate(
            zip(results["gt_bboxes_labels"], sources, strict=True)
        )
    }
    for identity in range(20):
        hull = painted_box(results["img"], identity)
        if hull is None:
            continue
        box = boxes[rows[identity]]
        assert (hull[:2] >= box[:2] - slack).all() and (hull[2:] <= box[2:] + slack).all()
        found += 1
    return found


def source_boxes(results: dict, tiles: list[dict]) -> np.ndarray:
    """Boxes of the image files, taken through the recorded homographies."""
    matrices = results["homography_matrix"].reshape(-1, 3, 3)
    sources = results.get("gt_sources", np.zeros(len(results["gt_bboxes"]), int))
    return np.array(
        [
            bbox_project(
                np.array([tiles[s]["boxes"][identity_of(label, s)]], np.float32), matrices[s]
            )[0]
            for label, s in zip(results["gt_bboxes_labels"], sources, strict=True)
        ]
    )


def mosaic(**kwargs) -> PairMosaic:
    return PairMosaic(img_scale=SCALE, **kwargs)


def tiles_of(seed: int, **kwargs) -> list[dict]:
    sizes = [(90, 130), (130, 90), (60, 80), (120, 160)]
    return [scene(source, seed, size, **kwargs) for source, size in enumerate(sizes)]


def mixed(tiles: list[dict]) -> dict:
    return dict(tiles[0], mix_results=tiles[1:])


@pytest.mark.parametrize("seed", range(12))
def test_affine_flip_and_resize_carry_boxes_ids_and_homography(seed):
    np.random.seed(seed)
    still = scene(0, seed)
    results = Compose(AFTER)(dict(still))
    if results is None:
        pytest.skip("this draw moved all objects out of the image")
    assert assert_boxes_hold_their_objects(results, slack=2) > 0
    assert (results["gt_instances_ids"] == results["gt_bboxes_labels"]).all()
    height, width = results["img"].shape[:2]
    expected = source_boxes(results, [still]).clip(0, [width, height, width, height])
    # The affine step cuts at its own border, so a box may be smaller than the projected one.
    inside = (results["gt_bboxes"][:, :2] >= expected[:, :2] - 1).all()
    assert inside and (results["gt_bboxes"][:, 2:] <= expected[:, 2:] + 1).all()


def test_homography_without_clipping_maps_source_boxes_exactly():
    """A shift and a scale that lose nothing: projected and transformed boxes are equal."""
    np.random.seed(0)
    gentle = dict(AFFINE, max_rotate_degree=0, max_shear_degree=0, max_translate_ratio=0)
    gentle["scaling_ratio_range"] = (0.5, 0.9)
    still = scene(0, 0)
    results = Compose([gentle, *AFTER[1:]])(dict(still))
    assert len(results["gt_bboxes"]) == 5
    assert np.abs(source_boxes(results, [still]) - results["gt_bboxes"]).max() < 1e-2


CROP = dict(type="mmdet.TrackRandomCrop", crop_size=(0.5, 0.6), crop_type="relative_range")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("before", [[], [AFFINE]])
def test_a_crop_carries_boxes_ids_and_homography(seed, before):
    np.random.seed(seed)
    still = scene(0, seed)
    results = Compose([*before, CROP])(dict(still))
    if results is None:
        pytest.skip("this draw moved all objects out of the image")
    assert assert_boxes_hold_their_objects(results, slack=2) > 0
    assert (results["gt_instances_ids"] == results["gt_bboxes_labels"]).all()
    height, width = results["img"].shape[:2]
    expected = source_boxes(results, [still]).clip(0, [width, height, width, height])
    boxes = results["gt_bboxes"]
    assert (boxes[:, :2] >= expected[:, :2] - 1).all()
    assert (boxes[:, 2:] <= expected[:, 2:] + 1).all()
    assert before or np.abs(expected - boxes).max() < 1e-3


def test_a_crop_without_boxes_and_one_that_loses_all():
    np.random.seed(1)
    plain = Compose([CROP])(dict(img=scene(0, 0)["img"], img_shape=(90, 130)))
    assert "gt_bboxes" not in plain and plain["homography_matrix"].shape == (3, 3)
    corner = dict(type="mmdet.TrackRandomCrop", crop_size=(3, 3), crop_type="absolute")
    assert any(Compose([corner])(scene(0, 0)) is None for _ in range(20))


def test_affine_without_boxes_records_its_homography():
    """Stage 4 has frames only."""
    np.random.seed(3)
    results = Compose([AFFINE])(dict(img=scene(0, 0)["img"]))
    assert "gt_bboxes" not in results
    assert results["homography_matrix"].shape == (3, 3)
    assert not np.allclose(results["homography_matrix"], np.eye(3))


@pytest.mark.parametrize("identity", ["instance", "position"])
@pytest.mark.parametrize("seed", range(8))
def test_mosaic_boxes_hold_the_objects_of_their_tile(seed, identity):
    np.random.seed(seed)
    tiles = tiles_of(seed)
    results = mosaic(identity=identity)(mixed([dict(tile) for tile in tiles]))
    assert results["img"].shape == (2 * SCALE[1], 2 * SCALE[0], 3)
    assert results["homography_matrix"].shape == (4, 3, 3)
    # Objects seen in two tiles at once cannot be: every tile has colours of its own.
    assert assert_boxes_hold_their_objects(results, slack=2) >= 4
    ids = results["gt_instances_ids"]
    assert len(set(ids.tolist())) == len(ids)
    expected = source_boxes(results, tiles)
    boxes = results["gt_bboxes"]
    assert (boxes[:, :2] >= expected[:, :2] - 1e-2).all()
    assert (boxes[:, 2:] <= expected[:, 2:] + 1e-2).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_whole_stage_3_pipeline_carries_boxes_and_ids(seed):
    np.random.seed(seed)
    tiles = tiles_of(seed)
    results = Compose([mosaic(), *AFTER])(mixed([dict(tile) for tile in tiles]))
    if results is None:
        pytest.skip("this draw moved all objects out of the image")
    assert results["homography_matrix"].shape == (4, 3, 3)
    ids, sources = results["gt_instances_ids"], results["gt_sources"]
    assert (ids == results["gt_bboxes_labels"] * 4 + sources).all()
    for row, (label, source) in enumerate(zip(results["gt_bboxes_labels"], sources, strict=True)):
        hull = painted_box(results["img"], identity_of(label, source))
        if hull is not None:
            box = results["gt_bboxes"][row]
            assert (hull[:2] >= box[:2] - 3).all() and (hull[2:] <= box[2:] + 3).all()


def matched(seed: int, identity: str, drop: tuple[int, ...]) -> tuple[int, int]:
    """Objects that equal ids join in two mosaics, and how many of these are the same object."""
    np.random.seed(seed)
    views = []
    for dropped in ((), drop):
        tiles = [scene(source, seed, drop=dropped if source == 0 else ()) for source in range(4)]
        results = mosaic(identity=identity, center_ratio_range=(1, 1))(mixed(tiles))
        objects = zip(results["gt_bboxes_labels"], results["gt_sources"], strict=True)
        views.append(dict(zip(results["gt_instances_ids"].tolist(), objects, strict=True)))
    common = set(views[0]) & set(views[1])
    return len(common), sum(views[0][i] == views[1][i] for i in common)


def test_both_identities_agree_while_both_views_have_the_same_boxes():
    assert matched(0, "instance", ()) == matched(0, "position", ()) == (20, 20)


def test_a_box_missing_in_the_twin_shifts_positions_but_not_instances():
    assert matched(0, "instance", (1,)) == (19, 19)
    # 19 numbers are shared; only the one box before the gap means the same object.
    assert matched(0, "position", (1,)) == (19, 1)


def test_positions_count_no_regions_to_ignore():
    tiles = tiles_of(0)
    tiles[0]["gt_ignore_flags"][0] = True
    np.random.seed(0)
    results = mosaic(identity="position", center_ratio_range=(1, 1))(mixed(tiles))
    own = results["gt_instances_ids"][~results["gt_ignore_flags"]]
    assert own.tolist() == list(range(19))


@pytest.mark.parametrize("seed", range(4))
def test_no_box_of_an_object_cropped_away_lies_over_another_tile(seed):
    """What a mosaic crops from a tile lies outside of the canvas, so cutting there is enough."""
    np.random.seed(seed)
    results = mosaic()(mixed(tiles_of(seed)))
    sides = results["gt_bboxes"][:, 2:] - results["gt_bboxes"][:, :2]
    for row in np.nonzero((sides > 5).all(axis=1))[0]:
        identity = identity_of(results["gt_bboxes_labels"][row], results["gt_sources"][row])
        hull = painted_box(results["img"], identity)
        assert np.abs(hull - results["gt_bboxes"][row]).max() <= 3


def test_views_without_a_usable_box_are_given_up():
    still = scene(0, 0)
    filtered = Compose([dict(type="mmdet.PairFilterAnnotations", min_gt_bbox_wh=(500, 500))])
    assert filtered(still) is None


@pytest.mark.parametrize("seed", range(8))
def test_mixup_joins_boxes_ids_and_homographies(seed):
    np.random.seed(seed)
    one, other = scene(0, seed), scene(1, seed, (60, 100))
    results = PairMixUp()(dict(one, mix_results=[dict(other)]))
    assert results["homography_matrix"].shape == (2, 3, 3)
    sources = results["gt_sources"]
    assert (sources == 0).sum() == 5
    assert (results["gt_instances_ids"] == results["gt_bboxes_labels"] * 2 + sources).all()
    height, width = results["img"].shape[:2]
    expected = source_boxes(results, [one, other]).clip(0, [width, height, width, height])
    assert np.abs(expected - results["gt_bboxes"]).max() < 1e-2
    # Where this image is black, half of the other one's colour is left.
    for row in np.nonzero(sources == 1)[0]:
        x1, y1, x2, y2 = results["gt_bboxes"][row]
        middle = int((y1 + y2) / 2), int((x1 + x2) / 2)
        before = one["img"][middle].astype(int)
        if x2 - x1 > 4 and y2 - y1 > 4:
            expected_colour = (before + colour(5 + results["gt_bboxes_labels"][row])) / 2
            assert np.abs(results["img"][middle] - expected_colour).max() <= 2


def test_mixup_mirrors_half_of_the_other_images():
    np.random.seed(0)
    scenes = scene(0, 0), scene(1, 0)
    mixed_up = [PairMixUp()(dict(scenes[0], mix_results=[dict(scenes[1])])) for _ in range(40)]
    mirrored = sum(np.linalg.det(one["homography_matrix"][1]) < 0 for one in mixed_up)
    assert 10 < mirrored < 30


@pytest.mark.parametrize(
    ("part", "kwargs", "answer"),
    [
        (
            PairMosaic,
            dict(img_scale=SCALE, identity="id"),
            "'id', expected one of instance, position",
        ),
        (PairMixUp, dict(identity="index"), "'index', expected one of"),
        (PairMixUp, dict(overlap="all"), "'all', expected one of shown, unshifted"),
    ],
)
def test_unknown_choices_are_refused(part, kwargs, answer):
    with pytest.raises(InputError, match=answer):
        part(**kwargs)
