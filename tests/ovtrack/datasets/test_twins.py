"""`vovtrack prepare pairs`: twins of stills, whose boxes are where the objects went."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle_masks

from ovtrack.datasets.twins.drawing import TwinRecipe, draw_homography, make_twin, outline
from ovtrack.datasets.twins.files import prepare_pairs
from vovtrack.cli.main import main
from vovtrack.errors import InputError

COLOURS = np.array([[250, 60, 60], [60, 250, 60], [60, 60, 250]])
SIZE = (96, 64)
RECIPE = TwinRecipe(min_area=15**2, min_twin_area=8**2)


def write_stills(folder: Path, count: int = 6, masks: bool = True) -> Path:
    """LVIS file of stills with three discs each; category 3 is novel and drawn in the last place.

    A fourth object is too small to follow.
    """
    rng = np.random.default_rng(0)
    images, annotations = [], []
    (folder / "images").mkdir(parents=True)
    for number in range(1, count + 1):
        image = np.full((SIZE[1], SIZE[0], 3), int(rng.integers(10, 40)), np.uint8)
        for category, x in enumerate((16, 48, 80), start=1):
            centre, radius = (x, int(rng.integers(18, 46))), int(rng.integers(9, 14))
            cv2.circle(image, centre, radius, COLOURS[category - 1].tolist(), -1)
            disc = cv2.ellipse2Poly(centre, (radius, radius), 0, 0, 360, 10)
            low, side = np.subtract(centre, radius), 2 * radius + 1
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=category,
                    bbox=[int(low[0]), int(low[1]), side, side],
                    area=side * side,
                    **(dict(segmentation=[disc.ravel().tolist()]) if masks else {}),
                )
            )
        small = dict(id=len(annotations) + 1, image_id=number, category_id=1, bbox=[1, 1, 4, 4])
        annotations.append(small)
        name = f"{number:06d}.jpg"
        cv2.imwrite(str(folder / "images" / name), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        url = f"http://images.invalid/{name}"
        images.append(dict(id=number, coco_url=url, width=SIZE[0], height=SIZE[1]))
    categories = [
        dict(id=number, name=f"disc {number}", frequency="fcr"[number - 1]) for number in (1, 2, 3)
    ]
    path = folder / "lvis.json"
    content = dict(images=images, annotations=annotations, categories=categories)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def stills(tmp_path) -> Path:
    return write_stills(tmp_path / "stills")


def prepare(stills: Path, out: Path, recipe=RECIPE, workers=1, **kwargs) -> dict:
    prepare_pairs(stills, stills.parent / "images", out, recipe, workers=workers, **kwargs)
    return json.loads((out / "annotations.json").read_text())


def twins_of(content: dict) -> list[tuple[dict, list[dict]]]:
    return [
        (image, [a for a in content["annotations"] if a["image_id"] == image["id"]])
        for image in content["images"]
        if image["frame_id"] == 1
    ]


def assert_boxes_fit_the_twins(content: dict, out: Path, slack: float) -> None:
    """The colour of each object fills its box; ``slack`` in pixels, one of them for JPEG."""
    checked = 0
    for image, found in twins_of(content):
        twin = cv2.imread(str(out / "twins" / image["file_name"])).astype(int)
        for annotation in found:
            x, y, w, h = (int(v) for v in annotation["bbox"])
            colour = COLOURS[annotation["category_id"] - 1]
            same = np.abs(twin[y : y + h, x : x + w] - colour).max(axis=2) < 90
            ys, xs = np.nonzero(same)
            assert len(xs), annotation
            seen = np.array([xs.min(), ys.min(), w - 1 - xs.max(), h - 1 - ys.max()])
            assert seen.max() <= slack, annotation
            checked += 1
    assert checked >= 6


def test_boxes_of_warped_masks_fit_the_objects(stills, tmp_path):
    recipe = TwinRecipe(min_area=15**2, min_twin_area=8**2, light_prob=0)
    content = prepare(stills, tmp_path / "out", recipe, repeats=2)
    assert_boxes_fit_the_twins(content, tmp_path / "out", slack=2)


def test_boxes_without_masks_hold_the_objects(tmp_path):
    """The hull of a turned box is larger than the hull of the turned disc, never smaller."""
    path = write_stills(tmp_path / "stills", masks=False)
    content = prepare(path, tmp_path / "out")
    masks = prepare(write_stills(tmp_path / "masks"), tmp_path / "tight")
    tight = {
        (image["file_name"], a["category_id"]): a["bbox"]
        for image, found in twins_of(masks)
        for a in found
    }
    compared = 0
    for image, found in twins_of(content):
        for a in found:
            inner = tight.get((image["file_name"], a["category_id"]))
            if inner is not None:
                (x, y, w, h), (u, v, s, t) = a["bbox"], inner
                assert x <= u + 2 and y <= v + 2 and x + w >= u + s - 2 and y + h >= v + t - 2
                compared += 1
    assert compared >= 6


def test_the_file_has_stills_and_pairs(stills, tmp_path):
    content = prepare(stills, tmp_path / "out")
    frames = [image["frame_id"] for image in content["images"]]
    assert frames == [0] * 6 + [0, 1] * 6
    assert len(content["videos"]) == 12
    by_image = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    # Base classes only: two discs and the small object; the small one is followed nowhere.
    assert [len(by_image[i]) for i in range(1, 7)] == [3] * 6
    assert {a["category_id"] for a in content["annotations"]} == {1, 2}
    for first, second in zip(range(7, 19, 2), range(8, 19, 2), strict=True):
        ids = [{a["instance_id"] for a in by_image[i]} for i in (first, second)]
        assert len(ids[0]) == 2 and ids[1] and ids[1] <= ids[0]
    stills_ids = [a["instance_id"] for i in range(1, 7) for a in by_image[i]]
    assert len(set(stills_ids)) == len(stills_ids)


def test_ids_and_sizes_agree(stills, tmp_path):
    content = prepare(stills, tmp_path / "out")
    images = {image["id"]: image for image in content["images"]}
    videos = {video["id"]: video for video in content["videos"]}
    assert len(videos) == 12 and len(images) == 18
    for image in images.values():
        video = videos[image["video_id"]]
        assert (video["width"], video["height"]) == (image["width"], image["height"]) == SIZE
    for annotation in content["annotations"]:
        assert annotation["video_id"] == images[annotation["image_id"]]["video_id"]
        assert annotation["area"] == annotation["bbox"][2] * annotation["bbox"][3]
        assert annotation["track_id"] == annotation["instance_id"]


def test_a_still_of_small_objects_has_no_twin_and_is_not_opened(stills, tmp_path):
    """Its file may even be empty: twins that keep their background take nothing from it."""
    content = json.loads(stills.read_text())
    for annotation in content["annotations"]:
        if annotation["image_id"] == 4:
            annotation.update(bbox=[1, 1, 4, 4], segmentation=[[1, 1, 5, 1, 5, 5, 1, 5]])
    stills.write_text(json.dumps(content))
    images = stills.parent / "images"
    (images / "000004.jpg").write_bytes(b"")
    counts = prepare_pairs(stills, images, tmp_path / "out", RECIPE, repeats=4, workers=1)
    assert counts["stills"] == 6 and counts["without_twin"] == 1
    found = json.loads((tmp_path / "out/annotations.json").read_text())
    assert [Path(i["file_name"]).name for i in found["images"]].count("000004.jpg") == 1


def test_base_classes_without_objects_stay_in_the_list(stills, tmp_path):
    content = json.loads(stills.read_text())
    content["categories"] += [
        dict(id=4, name="base, not seen", frequency="f"),
        dict(id=5, name="novel, not seen", frequency="r"),
    ]
    stills.write_text(json.dumps(content))
    base = prepare(stills, tmp_path / "base")["categories"]
    assert [category["id"] for category in base] == [1, 2, 4]
    every = prepare(stills, tmp_path / "all", all_classes=True)["categories"]
    assert [category["id"] for category in every] == [1, 2, 3, 4, 5]


def test_all_classes_on_request(stills, tmp_path):
    content = prepare(stills, tmp_path / "out", all_classes=True)
    assert {a["category_id"] for a in content["annotations"]} == {1, 2, 3}


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(stills, tmp_path):
    def files(out: Path) -> dict:
        paths = [out / "annotations.json", *sorted((out / "twins").iterdir())]
        return {path.name: path.read_bytes() for path in paths}

    prepare(stills, tmp_path / "one")
    prepare(stills, tmp_path / "two", workers=2)
    prepare(stills, tmp_path / "three", seed=1)
    one, two, three = (files(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_another_image_around_the_objects(stills, tmp_path):
    recipe = TwinRecipe("other", 15**2, 8**2, light_prob=0)
    content = prepare(stills, tmp_path / "out", recipe)
    assert_boxes_fit_the_twins(content, tmp_path / "out", slack=2)
    image = np.full((200, 300, 3), 20, np.uint8)
    other = np.full((50, 70, 3), 200, np.uint8)
    square = [np.array([[100, 80], [140, 80], [140, 120], [100, 120]], float)]
    still = TwinRecipe("other", warp_prob=0, flip_prob=0, light_prob=0)
    twin, boxes = make_twin(image, [square], still, np.random.default_rng(0), other)
    assert boxes == [[100, 80, 41, 41]] or boxes == [[100, 80, 40, 40]]
    assert (twin[100, 120] == 20).all() and (twin[10, 10] == 200).all()


def test_run_length_masks_and_polygons_give_the_same_outline():
    disc = np.zeros((64, 96), np.uint8)
    cv2.circle(disc, (40, 30), 12, 1, -1)
    packed = rle_masks.encode(np.asfortranarray(disc))
    flat = disc.ravel(order="F")
    starts = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *starts, len(flat)]).tolist()
    for mask in (packed, dict(size=[64, 96], counts=counts)):
        (polygon,) = outline(dict(bbox=[0, 0, 1, 1], mask=mask), 96, 64)
        assert np.abs(polygon.min(axis=0) - [28.5, 18.5]).max() < 0.1
        assert np.abs(polygon.max(axis=0) - [52.5, 42.5]).max() < 0.1


def test_draws_stay_within_the_recipe():
    """Without perspective, a warp scales areas by the square of the scale, up to the shear."""
    rng = np.random.default_rng(0)
    recipe = TwinRecipe(warp_prob=1, perspective=(0, 0), flip_prob=0.5)
    areas = [np.linalg.det(draw_homography(96, 64, recipe, rng)[:2, :2]) for _ in range(300)]
    shear = np.tan(np.radians(recipe.max_shear)) ** 2
    low, high = recipe.scale[0] ** 2 * (1 - shear), recipe.scale[1] ** 2 * (1 + shear)
    assert ((np.abs(areas) > low) & (np.abs(areas) < high)).all()
    assert 100 < (np.array(areas) < 0).sum() < 200


def test_lost_objects_give_no_twin():
    image = np.zeros((64, 96, 3), np.uint8)
    square = [np.array([[1, 1], [9, 1], [9, 9], [1, 9]], float)]
    assert make_twin(image, [square], TwinRecipe(), np.random.default_rng(0)) is None


def test_a_killed_run_resumes_where_it_stopped(tmp_path):
    """SIGKILL in the middle: finished twins are not made again, the result is the same."""
    stills, out = write_stills(tmp_path / "stills", count=250), tmp_path / "out"
    words = ["prepare", "pairs", str(stills), str(stills.parent / "images"), "--out", str(out)]
    words += ["--min-side", "15", "--min-twin-side", "8", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vovtrack", *words],
        env=dict(os.environ, OMP_NUM_THREADS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    manifest = out / "twins.jsonl"
    limit = time.monotonic() + 60
    while not manifest.is_file() or manifest.read_bytes().count(b"\n") < 20:
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "annotations.json").exists()
    done = sorted(manifest.read_text().splitlines()[1:])
    assert 18 < len(done) < 250
    with manifest.open("a") as file:
        file.write('["000250_v0.jpg", [[1.0, 2')  # a line that was cut short
    before = {path.name: path.stat().st_mtime_ns for path in (out / "twins").glob("*.jpg")}
    assert main(words) == 0
    finished = {json.loads(line)[0] for line in done}
    assert all((out / "twins" / n).stat().st_mtime_ns == before[n] for n in finished & set(before))
    prepare(stills, tmp_path / "whole")
    for name in ("annotations.json", "twins/000001_v0.jpg", "twins/000250_v0.jpg"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_twin_that_was_deleted_is_made_again(stills, tmp_path):
    content = prepare(stills, tmp_path / "out")
    lost = tmp_path / "out/twins/000002_v0.jpg"
    was = lost.read_bytes()
    lost.unlink()
    assert prepare(stills, tmp_path / "out") == content
    assert lost.read_bytes() == was


@pytest.mark.parametrize(
    "change",
    [dict(seed=1), dict(repeats=2), dict(all_classes=True), dict(recipe=TwinRecipe("other"))],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_do_not_mix_with_an_earlier_run(stills, tmp_path, change):
    prepare(stills, tmp_path / "out")
    with pytest.raises(InputError, match=f"begun with other settings .{next(iter(change))}."):
        prepare(stills, tmp_path / "out", **change)


def test_a_worker_that_dies_is_one_sentence(stills, tmp_path, monkeypatch):
    monkeypatch.setattr("vovtrack.files.long_jobs._start_worker", os._exit)
    with pytest.raises(InputError, match="same command again with fewer --workers"):
        prepare(stills, tmp_path / "out", workers=2)


@pytest.mark.parametrize(("content", "workers"), [(b"", 1), (b"\xff\xd8\xff no image", 2)])
def test_unreadable_images_are_named(stills, tmp_path, content, workers):
    (stills.parent / "images/000004.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"000004\.jpg' cannot be read"):
        prepare(stills, tmp_path / "out", workers=workers)
    assert not (tmp_path / "out/annotations.json").exists()


def test_images_of_another_size_are_named(stills, tmp_path):
    cv2.imwrite(str(stills.parent / "images/000004.jpg"), np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(InputError, match=r"000004\.jpg' has 40x40 pixels, .* says 96x64"):
        prepare(stills, tmp_path / "out")


def test_missing_images_are_told_before_anything_is_written(stills, tmp_path):
    (stills.parent / "images/000004.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 6 images .* missing on disk.*000004\.jpg"):
        prepare(stills, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_of_one_name_are_refused(stills, tmp_path):
    content = json.loads(stills.read_text())
    content["images"][1]["coco_url"] = content["images"][0]["coco_url"]
    stills.write_text(json.dumps(content))
    with pytest.raises(InputError, match="2 images named '000001'"):
        prepare(stills, tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--seed", "-1"], "seed must be 0 or more, not -1"),
        (["--repeats", "0"], "repeats must be 1 or more"),
        (["--workers", "0"], "workers must be 1 or more"),
        (["--min-side", "0"], "smallest areas of boxes must be 1 pixel or more"),
    ],
)
def test_values_out_of_range_are_one_sentence(stills, tmp_path, capsys, words, answer):
    images = str(stills.parent / "images")
    out = str(tmp_path / "out")
    assert main(["prepare", "pairs", str(stills), images, "--out", out, *words]) == 2
    error = capsys.readouterr().err
    assert answer in error and "Traceback" not in error


def test_the_smallest_area_is_one_pixel():
    TwinRecipe(min_area=1, min_twin_area=1)
    for name in ("min_area", "min_twin_area"):
        with pytest.raises(InputError, match="1 pixel or more"):
            TwinRecipe(**{name: 0.5})


def test_categories_of_one_name_are_told_with_their_file(stills, tmp_path):
    content = json.loads(stills.read_text())
    content["categories"][1]["name"] = content["categories"][0]["name"]
    stills.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"lvis\.json"):
        prepare(stills, tmp_path / "out")


def test_only_novel_classes_leave_nothing(stills, tmp_path):
    content = json.loads(stills.read_text())
    for category in content["categories"]:
        category["frequency"] = "r"
    stills.write_text(json.dumps(content))
    with pytest.raises(InputError, match="no image with an object of a base class; --all"):
        prepare(stills, tmp_path / "out")
