"""Videos as data: pairs to train on, frames to test on, and what is wrong with the files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from plain_videos import plain_sources

import ovtrack.datasets  # noqa: F401  packs identities
from vovtrack.datasets import NearbyFrames, VideoDataset, VideoSampler, video_dataset
from vovtrack.datasets.views import draw_views
from vovtrack.errors import InputError
from vovtrack.files.images import encode_image
from vovtrack.registry import DATASETS
from vovtrack.structures.videos import FrameRecord, VideoRecord
from vovtrack.synthetic.video_set import write_videos

PIPELINE = [
    dict(type="LoadCheckedImage"),
    dict(type="LoadTrackAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackIdentityInputs"),
]
TRACKS = "labels/box_track_20/train"
NEAR = dict(type="NearbyFrames", scope=3)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two videos of twelve frames in the layout of BDD100K."""
    return write_videos(tmp_path_factory.mktemp("bdd") / "set", "bdd100k", plain_sources(2))


@pytest.fixture(scope="module")
def mot(tmp_path_factory):
    """The same two in that of MOTChallenge."""
    return write_videos(tmp_path_factory.mktemp("mot") / "set", "mot", plain_sources(2)) / "train"


def dataset(root: Path, ann_file: str = TRACKS, **settings) -> VideoDataset:
    defaults = dict(
        type="VideoDataset",
        reader=dict(format="bdd100k"),
        data_root=str(root),
        ann_file=ann_file,
        data_prefix=dict(img="images/track/train"),
        pipeline=PIPELINE,
    )
    with DefaultScope.overwrite_default_scope("mmdet"):
        return DATASETS.build(defaults | settings)


def video(numbers: list[int], tracks: list[list[int]] | None = None) -> VideoRecord:
    """A video with an object in each frame, or those of the given tracks."""
    ids = tracks or [[0]] * len(numbers)
    return VideoRecord.of(
        "v",
        [
            FrameRecord(n, f"{n}.jpg", [[0, 0, 9, 9]] * len(own), [0] * len(own), own)
            for n, own in zip(numbers, ids, strict=True)
        ],
    )


@pytest.mark.parametrize("scope", [0, 1, 3, 50])
def test_references_are_near_and_not_the_key(scope):
    record = video([0, 1, 2, 5, 20])
    for key, number in enumerate(record.numbers):
        picked = NearbyFrames(scope)(dict(video=record, key=key))["picked"]
        near = [k for k, n in enumerate(record.numbers) if 0 < abs(n - number) <= scope]
        assert picked == (near or [key])


def test_frames_in_any_order_are_sorted_and_keep_their_boxes():
    record = video([5, 2, 9], [[7], [], [8, 9]])
    assert record.numbers.tolist() == [2, 5, 9] and record.images == ("2.jpg", "5.jpg", "9.jpg")
    assert [record.objects(k) for k in range(3)] == [set(), {7}, {8, 9}]
    kept = record.without_empty()
    assert kept.numbers.tolist() == [5, 9] and kept.counts.tolist() == [1, 2]
    assert kept.track_ids.tolist() == [7, 8, 9] and kept.sizes.shape == (2, 2)


def test_every_frame_is_the_key_of_one_pair(root):
    data = dataset(root, pick=NEAR)
    assert len(data) == 24 and data.metainfo["classes"][2] == "car"
    for index in range(len(data)):
        samples = data[index]["data_samples"]
        key, reference = (data.get_data_info(sample.img_id) for sample in samples)
        assert key["img_id"] == index and key["video_id"] == reference["video_id"]
    np.random.seed(0)
    middle = data.get_data_info(17)
    drawn = Counter(draw_views(middle)[1]["frame_id"] - middle["frame_id"] for _ in range(600))
    assert set(drawn) == {-3, -2, -1, 1, 2, 3}
    assert max(drawn.values()) < 1.5 * min(drawn.values())


def test_views_keep_identities_and_lists_alternate(root):
    data = dataset(root, pick=NEAR, num_references=2)
    item = data[4]
    assert len(item["inputs"]) == len(item["data_samples"]) == 3
    names = [sample.img_path for sample in item["data_samples"]]
    assert len(set(names)) == 3, "a reference is not drawn twice as long as there are others"
    for sample in item["data_samples"]:
        found = sample.gt_instances
        assert len(found.bboxes) == len(found.labels) == len(found.instances_ids) > 1


def test_transforms_are_drawn_for_each_view_or_once(root):
    def flips(**settings) -> set[tuple[bool, ...]]:
        data = dataset(root, pick=NEAR, **settings)
        items = (data[0]["data_samples"] for _ in range(60))
        return {tuple(sample.flip for sample in samples) for samples in items}

    assert flips(share_transforms=True) == {(False, False), (True, True)}
    assert len(flips()) == 4


@pytest.mark.parametrize("tracks", [[[0], [1], [0, -1], [-1]]])
def test_pairs_share_an_object_where_that_is_asked(tmp_path, tracks):
    """Boxes of no known object make no match."""
    (tmp_path / "img").mkdir()
    for number in range(len(tracks)):
        (tmp_path / "img" / f"{number}.jpg").touch()

    def read(_, **options):
        from vovtrack.structures.videos import VideoSet

        return VideoSet(("thing",), [video(list(range(len(tracks))), tracks)])

    settings = dict(reader=dict(format=read), data_prefix=dict(img="img"), pick=NEAR)
    free = dataset(tmp_path, "none", **settings)
    strict = dataset(tmp_path, "none", require_match=True, **settings)

    def picked(data: VideoDataset) -> list[list[int]]:
        return [[r["frame_id"] for r in data.get_data_info(k)["references"]] for k in range(4)]

    assert picked(free) == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert picked(strict) == [[2], [1], [0], [3]]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_shows_every_key_once_to_all_processes_together(root, monkeypatch, workers):
    import mmengine.dataset.sampler as sampler

    config = dict(
        dataset=dataset(root, pick=NEAR),
        batch_size=2,
        num_workers=workers,
        sampler=dict(type="DefaultSampler", shuffle=True),
        collate_fn=dict(type="views_collate"),
    )
    seen = Counter()
    for rank in range(2):
        monkeypatch.setattr(sampler, "get_dist_info", lambda rank=rank: (rank, 2))
        with DefaultScope.overwrite_default_scope("mmdet"):
            for batch in Runner.build_dataloader(dict(config), seed=3):
                assert len(batch["inputs"]) == len(batch["data_samples"]) == 4
                seen.update(sample.img_id for sample in batch["data_samples"][0::2])
    assert seen == dict.fromkeys(range(24), 1)


def test_stills_and_tracks_are_one_dataset(root, tmp_path):
    labels = json.loads((root / TRACKS / "plain-00.json").read_text())
    stills = [dict(frame, name=f"plain-00/{frame['name']}") for frame in labels[:5]]
    for still in stills:
        del still["videoName"], still["frameIndex"]
    light = dict(id="1", category="traffic light", box2d=dict(x1=0, y1=0, x2=9, y2=9))
    stills[0]["labels"].append(light)
    (tmp_path / "det.json").write_text(json.dumps(stills))
    own = dict(
        type="VideoDataset",
        pipeline=PIPELINE,
        data_root=str(root),
        data_prefix=dict(img="images/track/train"),
    )
    datasets = [
        dict(
            own,
            reader=dict(format="bdd100k", categories="det"),
            ann_file=str(tmp_path / "det.json"),
            pick=dict(type="NearbyFrames", scope=0),
        ),
        dict(own, reader=dict(format="bdd100k"), ann_file=TRACKS, pick=NEAR),
    ]
    with DefaultScope.overwrite_default_scope("mmdet"):
        data = DATASETS.build(dict(type="ConcatDataset", datasets=datasets))
        mixed = DATASETS.build(
            dict(
                type="MixedPairDataset",
                dataset=dict(type="ConcatDataset", datasets=datasets),
                load=PIPELINE[:2],
                mix=dict(type="PairMosaic", img_scale=(96, 64)),
                pipeline=PIPELINE[2:],
            )
        )
    assert len(data) == len(mixed) == 5 + 24
    key, reference = data[2]["data_samples"]
    assert key.img_path == reference.img_path
    assert key.gt_instances.instances_ids.tolist() == reference.gt_instances.instances_ids.tolist()
    assert len({sample.img_path for sample in data[9]["data_samples"]}) == 2
    np.random.seed(1)
    ids = [set(s.gt_instances.instances_ids.tolist()) for s in mixed[7]["data_samples"]]
    assert ids[0] & ids[1]


@pytest.mark.parametrize("format", ["bdd100k", "mot"])
def test_frames_come_one_by_one_for_a_test(root, mot, format):
    places = dict(
        bdd100k=dict(root=root),
        mot=dict(
            root=mot, ann_file=".", data_prefix=dict(img=""), reader=dict(format="mot", part="all")
        ),
    )[format]
    data = dataset(**places, test_mode=True)
    items = [data.get_data_info(index) for index in range(len(data))]
    assert [item["img_id"] for item in items] == list(range(24))
    assert [(item["video_id"], item["frame_id"]) for item in items] == [
        (number, frame) for number in range(2) for frame in range(12)
    ]
    assert {item["video_length"] for item in items} == {12}
    assert [item["img_path"] for item in items[:12]] == sorted(i["img_path"] for i in items[:12])
    assert list(VideoSampler(data)) == list(range(24))
    assert data[3]["data_samples"].img_id == 3


def test_the_same_truth_in_both_formats(root, mot):
    """MOT has boxes around whole objects, BDD100K around what is seen; object 0 is in full view."""
    bdd, sequences = (
        dataset(root),
        dataset(mot, ".", data_prefix=dict(img=""), reader=dict(format="mot")),
    )
    for index in range(24):
        boxes = [data.get_data_info(index)["instances"][0]["bbox"] for data in (bdd, sequences)]
        np.testing.assert_allclose(boxes[0], boxes[1], atol=0.51)


def test_folders_of_images_are_videos_without_labels(root):
    data = dataset(root, "images/track/train", reader=dict(format="folders"), test_mode=True)
    with_labels = dataset(root, test_mode=True)
    for index in range(24):
        found, expected = data.get_data_info(index), with_labels.get_data_info(index)
        assert found["img_path"] == expected["img_path"] and found["instances"] == []
    with pytest.raises(InputError, match="no frame with a box to learn from"):
        dataset(root, "images/track/train", reader=dict(format="folders"), pick=NEAR)


def write(path: Path, *frames: dict) -> str:
    path.write_text(json.dumps(frames))
    return str(path)


def frame(number: int = 0, **changes) -> dict:
    box = dict(x1=1, y1=2, x2=20, y2=30)
    labels = [dict(id="1", category="car", box2d=box)]
    return dict(name="a.jpg", videoName="v", frameIndex=number, labels=labels) | changes


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([frame(1), frame(0), frame(1)], "Frame 1 of video 'v' occurs twice"),
        ([frame(name=None)], "frame 0 of video 'v' does not name the file of its image"),
        ([dict(labels=[])], "a frame has neither 'videoName' nor 'name'"),
        ([frame(labels=[dict(id="1", category="cow", box2d={})])], "'box2d' must have finite"),
        (
            [frame(labels=[dict(frame()["labels"][0], category="traffic light")])],
            r"label 0 of frame 0 of video 'v' \(traffic light\): its category is not one of",
        ),
        ([frame(labels=None)], "has no frame with a box to learn from"),
        ([frame(size=dict(width=7, height=9))], "1 of 1 images .* are missing on disk"),
    ],
)
def test_broken_labels_are_named(tmp_path, frames, reason):
    with pytest.raises(InputError, match=reason) as caught:
        dataset(tmp_path, write(tmp_path / "a.json", *frames), pick=NEAR)
    assert "a.json" in str(caught.value)


def test_an_image_of_another_size_than_the_labels_say_is_refused(tmp_path):
    image = tmp_path / "images/track/train/v/a.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(encode_image(np.zeros((40, 50, 3), np.uint8), ".jpg", 90))
    labels = write(tmp_path / "a.json", frame(size=dict(width=50, height=41)))
    with pytest.raises(InputError, match="has 50x40 pixels, its annotation says 50x41"):
        dataset(tmp_path, labels, pick=NEAR)[0]
    write(tmp_path / "a.json", frame(size=dict(width=50, height=40)), frame(1, labels=None))
    assert len(dataset(tmp_path, labels, pick=NEAR, skip_empty=True)) == 1


def test_what_is_left_out_is_counted_in_the_log(tmp_path, root, monkeypatch):
    labels = [
        dict(frame()["labels"][0], id=str(k), category=name, attributes=dict(crowd=crowd))
        for k, (name, crowd) in enumerate(
            [("car", False), ("car", True), ("trailer", False), ("traffic sign", False)]
        )
    ]
    labels.append(labels[0])
    video = root / "images/track/train/plain-00"
    name = min(path.name for path in video.iterdir())
    path = write(tmp_path / "a.json", frame(videoName="plain-00", name=name, labels=labels))
    told: list[str] = []
    monkeypatch.setattr(video_dataset, "print_log", lambda text, logger: told.append(text))
    data = dataset(root, path, reader=dict(format="bdd100k", categories="det"))
    assert [i["instance_id"] for i in data.get_data_info(0)["instances"]] == [0, 0]
    for sentence in (
        "1 labels of category 'traffic sign' are left out",
        "2 labels of crowds and objects to ignore are left out",
        "1 labels another of whose track is in the same frame are kept",
    ):
        assert any(sentence in text for text in told)


def test_impossible_settings_are_refused(root):
    with pytest.raises(InputError, match="There is no format 'bdd' of videos. Did you mean"):
        dataset(root, reader=dict(format="bdd"))
    with pytest.raises(InputError, match="categories"):
        dataset(root, reader=dict(format="bdd100k", categories="all"))
    with pytest.raises(InputError, match="scope is -1"):
        dataset(root, pick=dict(type="NearbyFrames", scope=-1))
    with pytest.raises(InputError, match="The folder of sequences .* does not exist"):
        dataset(root, "none", reader=dict(format="mot"))
    with pytest.raises(InputError, match="no <sequence>/seqinfo.ini of a name like"):
        dataset(root, "labels", reader=dict(format="mot"))


def test_images_of_a_single_object_may_change_their_size(tmp_path):
    sizes = [(48, 64), (80, 96), (48, 64)]
    (tmp_path / "cup-1/img").mkdir(parents=True)
    for k, (height, width) in enumerate(sizes):
        image = encode_image(np.full((height, width, 3), 90, np.uint8), ".jpg")
        (tmp_path / f"cup-1/img/{k + 1:08d}.jpg").write_bytes(image)
    (tmp_path / "cup-1/groundtruth.txt").write_text("5,6,20,30\nnan,nan,nan,nan\n9,6,20,30\n")
    steps = [step for step in PIPELINE if step["type"] != "RandomFlip"]
    made = dataset(
        tmp_path,
        str(tmp_path),
        reader=dict(format="single_object"),
        data_prefix=dict(img=""),
        pipeline=steps,
    )
    items = [made[k] for k in range(len(made))]
    assert [tuple(item["inputs"].shape[-2:]) for item in items] == sizes
    assert [len(item["data_samples"].gt_instances) for item in items] == [1, 0, 1]
    assert made.metainfo["classes"] == ("cup",)
