"""What is drawn to train on: of videos and of pictures, on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vovtrack.errors import InputError
from vovtrack.files.images import write_image
from vovtrack.sot.datasets import TargetClips
from vovtrack.sot.datasets.gaps import FrameGaps
from vovtrack.sot.datasets.windows import place_square

FRAMES, SIDE = 24, 96
HIDDEN = (3, 11, 12)
WIDTH, HEIGHT = 20, 14
DARK, BRIGHT = 40, 200
AREA = dict(output=80, area=4.0, centre_jitter=2.0, scale_jitter=0.2, mirror=0.5)


def place(frame: int) -> tuple[int, int]:
    """Left and top of the target of a frame."""
    return 10 + 2 * frame, 60 - frame


def picture(frame: int) -> np.ndarray:
    """A bright target before a dark ground."""
    x, y = place(frame)
    image = np.full((SIDE, SIDE, 3), DARK, np.uint8)
    image[y : y + HEIGHT, x : x + WIDTH] = BRIGHT
    return image


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A video of LaSOT whose target is hidden at times, and two pictures of COCO."""
    root = tmp_path_factory.mktemp("sources")
    video = root / "lasot/car/car-1"
    (video / "img").mkdir(parents=True)
    (root / "coco").mkdir()
    for frame in range(FRAMES):
        write_image(video / f"img/{frame + 1:08d}.png", picture(frame))
    rows = [f"{x},{y},{WIDTH},{HEIGHT}" for x, y in map(place, range(FRAMES))]
    (video / "groundtruth.txt").write_text("\n".join(rows))
    hidden = ",".join(str(int(frame in HIDDEN)) for frame in range(FRAMES))
    (video / "full_occlusion.txt").write_text(hidden)
    images, annotations = [], []
    for number in (0, 1):
        write_image(root / f"coco/{number}.png", picture(number))
        images.append(dict(id=number, file_name=f"{number}.png", width=SIDE, height=SIDE))
        box = [*place(number), WIDTH, HEIGHT]
        shape = dict(bbox=box, area=WIDTH * HEIGHT, iscrowd=0)
        annotations.append(dict(id=number, image_id=number, category_id=1, **shape))
    categories = [dict(id=1, name="car")]
    content = dict(images=images, annotations=annotations, categories=categories)
    (root / "coco.json").write_text(json.dumps(content))
    return root


def sources(root) -> list[dict]:
    return [
        dict(
            reader=dict(format="single_object"),
            ann_file=str(root / "lasot"),
            data_prefix=dict(img=str(root / "lasot")),
        ),
        dict(
            reader=dict(format="coco"),
            ann_file=str(root / "coco.json"),
            data_prefix=dict(img=str(root / "coco")),
        ),
    ]


@pytest.fixture
def clips(root):
    def build(**options) -> TargetClips:
        pipeline = [
            dict(type="LoadTargetFrames"),
            dict(type="GreyTargets", prob=0.5),
            dict(type="MirrorTargets"),
            *(dict(type="CutSearchAreas", part=part, **AREA) for part in ("train", "test")),
            dict(type="DrawOverlapBoxes", count=4),
            dict(type="LabelCentres", size=5),
            dict(type="PackTargets"),
        ]
        settings = dict(gaps=dict(train=2, test=3, max_gap=6), pipeline=pipeline, samples=7)
        return TargetClips(sources(root), **(settings | options))

    return build


def test_boxes_lie_on_the_target(clips):
    """Whatever was mirrored, moved and scaled; a box of rounded pixels is off by less than two."""
    np.random.seed(0)
    dataset, seen = clips(), 0
    assert len(dataset) == 7
    for _ in range(12):
        item = dataset[0]
        sample, frames = item["data_samples"], item["inputs"]
        boxes = torch.cat([sample.train_boxes, sample.test_boxes])
        assert frames.shape == (5, 3, 80, 80) and boxes.shape == (5, 4)
        for image, (x, y, w, h) in zip(frames, boxes.tolist(), strict=True):
            scale = w / WIDTH
            rows, columns = (torch.arange(80) + 0.5 for _ in range(2))
            out = torch.maximum(
                torch.maximum(y - rows, rows - y - h)[:, None],
                torch.maximum(x - columns, columns - x - w),
            )
            level = image.mean(dim=0) / (DARK + BRIGHT) * 2
            assert (level[out < -2 * scale] > 1).all() and (level[out > 2 * scale] < 1).all()
            seen += int((out < -2 * scale).any())
    assert seen > 40


def test_labels_and_overlaps_belong_to_the_boxes(clips):
    np.random.seed(1)
    sample = clips()[0]["data_samples"]
    centre = (sample.test_boxes[:, :2] + sample.test_boxes[:, 2:] / 2) / 16
    for label, cell in zip(sample.test_label, centre, strict=True):
        if ((cell > 0.5) & (cell < 4.5)).all():
            row, column = np.unravel_index(int(label.argmax()), label.shape)
            assert abs(column - float(cell[0])) <= 0.5 and abs(row - float(cell[1])) <= 0.5
    assert sample.test_proposals.shape == (3, 4, 4) and sample.test_overlap.shape == (3, 4)
    assert (sample.test_overlap.abs() <= 1).all() and sample.test_overlap.unique().numel() > 6


def test_hidden_frames_are_not_drawn_and_pictures_are_repeated(clips):
    np.random.seed(2)
    dataset, videos = clips(weights=[1, 1]), 0
    for _ in range(30):
        paths = dataset[0]["data_samples"].img_path
        if "coco" in paths[0]:
            assert len(set(paths)) == 1
            continue
        videos += 1
        first, *others = (int(path[-12:-4]) - 1 for path in paths)
        assert not {first, *others} & set(HIDDEN)
        assert others[0] < first and all(frame > first for frame in others[1:])
    assert 0 < videos < 30


def test_a_source_of_no_weight_is_not_drawn(clips):
    dataset = clips(weights=[0, 1])
    assert all("coco" in dataset[0]["data_samples"].img_path[0] for _ in range(8))


def test_equal_seeds_give_equal_samples(clips):
    dataset, drawn = clips(), []
    for seed in (5, 5, 6):
        np.random.seed(seed)
        drawn.append([dataset[number]["inputs"] for number in (0, 0)])
    (first, again), (same, _), (other, _) = drawn
    assert torch.equal(first, same)
    assert not torch.equal(first, again) and not torch.equal(first, other)


def test_gaps_grow_until_there_is_a_target():
    shown = np.zeros(200, bool)
    shown[[*range(0, 200, 20)]] = True
    gaps = FrameGaps(train=1, test=1, max_gap=2)
    assert gaps.enough(len(shown), shown.sum()) and not gaps.enough(len(shown), 4)
    assert not gaps.enough(19, 19)
    (base,), (test,) = gaps.draw(shown, np.random.default_rng(0))
    assert shown[base] and shown[test] and test - base == 20


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(weights=[1]), "There are 2 'sources' and 'weights' .1.: expected a number from 0"),
        (dict(weights=[0, 0]), "one above it"),
        (dict(gaps=dict(train=6, test=6, max_gap=3)), "lasot': no video shows a target in enough"),
    ],
)
def test_what_cannot_be_drawn_from_is_one_sentence(clips, options, sentence):
    with pytest.raises(InputError, match=sentence):
        clips(**options)


def test_a_target_without_area_is_one_sentence():
    with pytest.raises(InputError, match="A target of 0 x 9 pixels has no area to look at"):
        place_square((96, 96), np.array([5, 5, 0, 9], np.float32), 5.0, 80, "replicate")
