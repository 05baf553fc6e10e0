"""CocoVID files as records."""

from __future__ import annotations

import json

import pytest

from vovtrack.errors import InputError
from vovtrack.formats.coco_videos import read_cocovid
from vovtrack.structures.videos import VideoRecord


def image(number: int, video: int, frame: int) -> dict:
    name = f"{video}/{frame}.jpg"
    return dict(id=number, video_id=video, frame_id=frame, file_name=name, width=90, height=60)


def annotation(number: int, image: int, track: int, **changes) -> dict:
    box = [number, 5, 20, 30]
    return dict(
        id=number, image_id=image, category_id=3, bbox=box, area=600, instance_id=track, **changes
    )


def read(path, **changes) -> list[VideoRecord]:
    content = dict(
        images=[image(5, 2, 4), image(6, 2, 1), image(7, 1, 0)],
        annotations=[
            annotation(1, 5, 8),
            annotation(2, 6, 8),
            annotation(3, 6, 9, iscrowd=1),
        ],
        categories=[dict(id=3, name="cat")],
    )
    path.write_text(json.dumps(content | changes))
    found = read_cocovid(path)
    assert found.classes == ("cat",)
    return found.videos


def test_frames_are_sorted_and_crowds_are_regions_to_ignore(tmp_path):
    first, second = read(tmp_path / "a.json")
    assert (first.name, len(first), first.counts.tolist()) == ("1", 1, [0])
    assert second.images == ("2/1.jpg", "2/4.jpg") and second.numbers.tolist() == [1, 4]
    assert second.bboxes.tolist() == [[2, 5, 22, 35], [3, 5, 23, 35], [1, 5, 21, 35]]
    assert second.track_ids.tolist() == [8, 9, 8] and second.ignored.tolist() == [0, 1, 0]
    assert second.objects(0) == second.objects(1) == {8}
    assert second.sizes.tolist() == [[90, 60]] * 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (dict(images=[image(5, 2, 4), image(6, 2, 4)], annotations=[]), "Frame 4 of video '2' occ"),
        (dict(annotations=[annotation(1, 5, 8), annotation(2, 5, 8)]), "the same 'instance_id' 8"),
        (dict(annotations=[annotation(1, 5, -1)]), "image 5: 'instance_id' is -1, expected a whol"),
        (
            dict(images=[dict(image(5, 2, 4), frame_id="4")], annotations=[]),
            "lacks the key 'frame_",
        ),
    ],
)
def test_broken_files_are_named(tmp_path, changes, reason):
    with pytest.raises(InputError, match=reason) as caught:
        read(tmp_path / "a.json", **changes)
    assert "a.json" in str(caught.value)


def test_a_real_file(realdata):
    found = read_cocovid(realdata / "mmtracking/demo_cocovid_data/ann.json")
    (video,) = found.videos
    assert found.classes == ("car", "person")
    assert video.counts.tolist() == [3, 1, 1, 1, 2, 1, 1, 0] and video.ignored.sum() == 3
    assert [video.objects(k) for k in (0, 1, 4, 7)] == [set(), {1}, {1, 2}, set()]
