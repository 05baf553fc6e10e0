"""Single-object benchmarks in their published layouts, read as videos to train on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from plain_videos import plain_sources

from vovtrack.errors import InputError
from vovtrack.formats.coco_videos import read_coco_images
from vovtrack.formats.single_object import read_ground_truth
from vovtrack.formats.single_object_videos import read_single_object
from vovtrack.formats.videos import find_reader
from vovtrack.synthetic.video_set import write_videos

BOX, ABSENT = "10,20,30,40", "0,0,0,0"


def write(root, files: dict[str, str], *images: str) -> None:
    """Write texts, and images of which only the names matter."""
    for name, text in (files | dict.fromkeys(images, "")).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


LAYOUTS = {
    "otb": (
        {"Car/groundtruth_rect.txt": "10\t20\t30\t40\n" * 2 + "0 0 0 0"},
        [f"Car/img/{k:04d}.jpg" for k in (1, 2, 3)],
    ),
    "lasot": (
        {
            "car/car-1/groundtruth.txt": f"{BOX}\n{BOX}\n{BOX}",
            "car/car-1/full_occlusion.txt": "0,0,1",
            "car/car-1/out_of_view.txt": "0,0,0",
        },
        [f"car/car-1/img/{k:08d}.jpg" for k in (1, 2, 3)],
    ),
    "got10k": (
        {
            "train/G_1/groundtruth.txt": f"{BOX}.0\n{BOX}\n{BOX}",
            "train/G_1/cover.label": "8\n1\n0",
            "train/G_1/absence.label": "0\n0\n0",
            "train/G_1/meta_info.ini": "[METAINFO]\nobject_class: car\nresolution: (96, 64)\n",
            "train/list.txt": "G_1\n",
        },
        [f"train/G_1/{k:08d}.jpg" for k in (1, 2, 3)],
    ),
    "trackingnet": (
        {"TRAIN_0/anno/v_1.txt": f"{BOX}\n{BOX}\n-1,-1,-1,-1"},
        [f"TRAIN_0/frames/v_1/{k}.jpg" for k in (8, 9, 10)],
    ),
    "nfs": (
        {"anno/ball.txt": f"{BOX}\n{BOX}\n{ABSENT}"},
        [f"sequences/ball/{k}.jpg" for k in "123"],
    ),
    "nfs as packed": (
        {
            "ball/30/ball.txt": '0 10 20 40 60 1 0 0 0 "ball"\n' * 2
            + '0 10 20 40 60 3 1 0 0 "ball"\n'
        },
        [f"ball/30/ball/{k:05d}.jpg" for k in (1, 2, 3)],
    ),
    "uav123": (
        {
            "anno/UAV123/bike1.txt": f"{BOX}\n{BOX}\nNaN,NaN,NaN,NaN",
            "anno/UAV123/att/bike1.txt": "0,1,0,0,0,0,0,0,0,0,0,1",
        },
        [f"data_seq/UAV123/bike1/{k:06d}.jpg" for k in (1, 2, 3)],
    ),
    "vot": (
        {"ant/groundtruth.txt": "10,20,40,20,40,60,10,60\n10,20,30,40\nnan,nan,nan,nan\n"},
        [f"ant/color/{k:08d}.jpg" for k in (1, 2, 3)],
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_published_layouts(tmp_path, layout):
    files, images = LAYOUTS[layout]
    write(tmp_path, files, *images)
    (video,) = (found := find_reader("single_object")(tmp_path)).videos
    assert list(video.images) == images and len(found.classes) == 1
    assert found.classes[0] == ("car" if layout in ("lasot", "got10k") else "object")
    # The third frame has no target, each benchmark says it in its own way.
    assert video.counts.tolist() == [1, 1, 0] and video.track_ids.tolist() == [0, 0]
    grown = [0.5, 0.5] if layout == "vot" else [0, 0]  # VOT's rectangles of polygons
    first = np.array([10, 20, 40, 60]) + np.array([-1, -1, 1, 1]) * grown[0]
    assert video.bboxes.tolist() == [first.tolist(), [10, 20, 40, 60]]
    assert (video.sizes == 0).all()  # left to the images


def test_attributes_are_named_where_they_are_known(tmp_path):
    write(tmp_path, LAYOUTS["uav123"][0])
    assert read_ground_truth(tmp_path)[0].attributes == ("ARC", "SOB")


@pytest.mark.parametrize(
    ("flags", "attributes"),
    [
        ("0,1,0,0,0,1,0,0,1,0,0,0,1,0", ("POC", "ROT", "SV", "LR")),  # the published row
        ("0,1,0,0,1", ("2", "5")),  # of no benchmark that is known
    ],
)
def test_attributes_beside_the_sequences_of_lasot(tmp_path, flags, attributes):
    name = "airplane/airplane-1/groundtruth.txt"
    write(tmp_path, {name: f"{BOX}\n", "annos/att/airplane-1.txt": f"{flags}\n"})
    assert read_ground_truth(tmp_path)[0].attributes == attributes


def test_several_targets_of_one_video(tmp_path):
    rows = {f"Jogging/groundtruth_rect.{k}.txt": f"{BOX}\n" for k in (1, 2)}
    write(tmp_path, rows, "Jogging/img/0001.jpg")
    assert [video.name for video in read_single_object(tmp_path).videos] == [
        "Jogging_1",
        "Jogging_2",
    ]


def test_sequences_of_otb_that_begin_late(tmp_path):
    images = [f"David/img/{k:04d}.jpg" for k in range(1, 771)]
    write(tmp_path, {"David/groundtruth_rect.txt": f"{BOX}\n" * 471}, *images)
    assert read_single_object(tmp_path).videos[0].images[0] == "David/img/0300.jpg"


def test_parts_of_a_video_of_uav123(tmp_path):
    part = (
        r"struct('name','bird1_2', 'path','D:\data_seq\UAV123\bird1\', 'startFrame',3,'endFrame',4)"
    )
    write(
        tmp_path,
        {"anno/UAV123/bird1_2.txt": f"{BOX}\n" * 2, "configSeqs.m": part},
        *(f"data_seq/UAV123/bird1/{k:06d}.jpg" for k in range(1, 6)),
    )
    (video,) = read_single_object(tmp_path).videos
    assert [image[-5] for image in video.images] == ["3", "4"]
    (tmp_path / "configSeqs.m").unlink()
    with pytest.raises(
        InputError, match="bird1_2.txt: found no images of this sequence in 'data_seq"
    ):
        read_single_object(tmp_path)


def test_only_the_first_box_is_public(tmp_path):
    images = [f"TEST/frames/a/{k}.jpg" for k in range(3)]
    write(tmp_path, {"TEST/anno/a.txt": BOX}, *images)
    found = read_single_object(tmp_path)
    assert found.videos[0].counts.tolist() == [1, 0, 0] and "1 of 1 sequences" in found.notes[0]


def test_chosen_sequences(tmp_path):
    for name in ("car-1", "car-2", "dog-7"):
        write(tmp_path, {f"{name}/groundtruth.txt": BOX}, f"{name}/img/1.jpg")
    write(tmp_path, {"testing_set.txt": "dog-7\ncar-2\n"})
    found = read_single_object(tmp_path, names=tmp_path / "testing_set.txt")
    assert [video.name for video in found.videos] == ["car-2", "dog-7"]
    assert found.classes == ("car", "dog") and found.videos[1].labels.tolist() == [1]
    with pytest.raises(InputError, match="there is no sequence 'cat-1', which 'names' asks for"):
        read_single_object(tmp_path, names=["cat-1"])


FAULTS = [
    (
        {"a/groundtruth.txt": f"{BOX}\n{BOX}"},
        3,
        "groundtruth.txt, line 3: the box of image 'a/3.jpg' is",
    ),
    (
        {"a/groundtruth.txt": f"{BOX}\n" * 4},
        3,
        "groundtruth.txt, line 4: there is no image for this box",
    ),
    (
        {"a/groundtruth.txt": f"{BOX}\n" * 3},
        0,
        "groundtruth.txt: found no images of this sequence in 'a",
    ),
    ({"a/groundtruth.txt": "1,2,3"}, 1, "groundtruth.txt, line 1: 3 numbers; expected x, y, w, h"),
    ({"a/groundtruth.txt": BOX, "b/a/groundtruth.txt": BOX}, 1, "are of one sequence, 'a'"),
    ({"a/groundtruth.txt": BOX, "att/a.txt": "0,2"}, 1, "att/a.txt: expected flags 0 and 1"),
]


@pytest.mark.parametrize(("files", "images", "reason"), FAULTS)
def test_faults_are_named(tmp_path, files, images, reason):
    write(tmp_path, files, *(f"a/{k + 1}.jpg" for k in range(images)))
    with pytest.raises(InputError, match=reason):
        read_single_object(tmp_path)


@pytest.mark.parametrize("format", ["otb", "got10k"])
def test_rendered_sequences(tmp_path, format):
    held_out = 1 if format == "got10k" else 0
    root = write_videos(
        tmp_path / "set", format, plain_sources(3), held_out=held_out, names=["a", "b"] * 3
    )
    found = read_single_object(root)
    for video, truth in zip(found.videos, read_ground_truth(root), strict=True):
        assert all((root / image).is_file() for image in video.images)
        assert video.counts.tolist() == truth.present.astype(int).tolist()
        shown = truth.bboxes[truth.present]
        assert video.bboxes[:, 2:] - video.bboxes[:, :2] == pytest.approx(shown[:, 2:], abs=1e-4)
    if format == "otb":
        assert any(truth.attributes for truth in read_ground_truth(root))
    else:
        assert set(found.classes) <= {"a", "b"}


def test_real_lasot_rows(realdata):
    folder = realdata / "mmtracking/demo_sot_data/lasot"
    first, second = read_ground_truth(folder)
    assert (first.name, first.object_class, len(second.bboxes)) == ("airplane-1", "airplane", 25)
    assert first.present.all()


def test_coco_images_are_videos_of_one_frame(tmp_path):
    image = dict(id=5, file_name="5.jpg", width=90, height=60)
    boxes = [
        dict(id=k, image_id=5, category_id=3, bbox=[k, 5, 20, 30], area=600, iscrowd=k == 2)
        for k in range(3)
    ]
    content = dict(images=[image], annotations=boxes, categories=[dict(id=3, name="car")])
    (tmp_path / "coco.json").write_text(json.dumps(content))
    found = read_coco_images(tmp_path / "coco.json")
    (video,) = found.videos
    assert (found.classes, video.name, video.images) == (("car",), "5", ("5.jpg",))
    assert video.track_ids.tolist() == [0, 1, 2] and video.ignored.tolist() == [False, False, True]
    assert video.objects(0) == {0, 1}
