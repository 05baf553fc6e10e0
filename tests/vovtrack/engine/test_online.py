"""Streaming frames through the model of the mini world."""

from __future__ import annotations

import numpy as np
import pytest

from vovtrack import load_tracker, read_video
from vovtrack.errors import InputError
from vovtrack.synthetic import render_clip

CLASSES = ["solid red triangle", "striped blue square", "dotted green star"]


@pytest.fixture(scope="module")
def tracker():
    return load_tracker("mini", classes=CLASSES, device="cpu")


@pytest.fixture(scope="module")
def clip():
    frames, _ = render_clip(seed=3, num_frames=6, width=256, height=192)
    return frames


def test_tracks_are_typed_and_in_pixels_of_the_frame(tracker, clip):
    tracker.start()
    for t, frame in enumerate(clip):
        tracks = tracker.step(frame)
        n = len(tracks)
        assert tracks.frame_id == t and tracks.names == tuple(CLASSES)
        assert tracks.bboxes.shape == (n, 4) and tracks.bboxes.dtype == np.float32
        assert tracks.track_ids.shape == tracks.labels.shape == tracks.scores.shape == (n,)
        assert len(set(tracks.track_ids.tolist())) == n
        assert (tracks.labels < 3).all() and ((tracks.scores > 0) & (tracks.scores <= 1)).all()
        if n:
            assert tracks.bboxes.min() >= 0 and (tracks.bboxes.max(0) <= [256, 192, 256, 192]).all()


def as_lists(results):
    return [(r.track_ids.tolist(), r.labels.tolist(), r.bboxes.round(1).tolist()) for r in results]


def test_batches_change_nothing_and_videos_do_not_touch(tracker, clip):
    tracker.start()
    one_by_one = as_lists(tracker.step(frame) for frame in clip)
    tracker.finish()
    batched = as_lists(tracker.step_batch(clip[:4]) + tracker.step_batch(clip[4:]))
    assert one_by_one == batched


def test_classes_change_at_run_time(tracker, clip):
    tracker.start(target=["striped red star"])
    assert tracker.names == ("striped red star",)
    tracker.step(clip[0])
    tracker.start(target=CLASSES)


@pytest.mark.parametrize("classes", [[], "", "a, , b", ["a", "a"]])
def test_unusable_class_names_are_refused(tracker, classes):
    with pytest.raises(InputError):
        load_tracker("mini", classes=classes, device="cpu")


@pytest.mark.parametrize(
    "frame", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), None]
)
def test_what_is_no_frame_is_refused(tracker, frame):
    with pytest.raises(InputError, match="uint8"):
        tracker.step(frame)


def test_unknown_names_and_files():
    with pytest.raises(InputError, match="mini"):
        load_tracker("minni")
    with pytest.raises(InputError, match="does not exist"):
        load_tracker("mini", checkpoint="nothing.pth")
    with pytest.raises(InputError, match="without weights"):
        load_tracker("ovtrack_r50_tao")
    with pytest.raises(InputError, match="amp"):
        load_tracker("mini", amp="int4", device="cpu")


def test_memory_does_not_grow_with_the_video(tracker, clip):
    """What the tracker holds after 300 frames is what it holds after 100."""
    small = [frame[:64, :64] for frame in clip]

    def held() -> int:
        memory = tracker.model.tracker.memory
        return sum(column.nbytes for column in memory.columns.values()) + memory.ids.nbytes

    tracker.start()
    sizes = []
    for t in range(300):
        tracker.step(small[t % len(small)])
        if t % 100 == 99:
            sizes.append(held())
    assert sizes[2] <= 2 * max(sizes[0], 1)


def test_the_readme_example_runs(tmp_path, clip, tracker):
    from vovtrack.visualization import VideoWriter

    with VideoWriter(tmp_path / "v.mp4", 5) as writer:
        for frame in clip:
            writer.write(frame)
    tracker.start()
    assert [tracker.step(frame).frame_id for frame in read_video(tmp_path / "v.mp4")] == [*range(6)]
