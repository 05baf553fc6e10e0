"""Streaming frames through the model of the mini world."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope

from ovtrack.online import OVOnlineTracker
from tests.pipelines import resized_to
from vovtrack import load_tracker, read_video
from vovtrack.engine.fuse import mix_precision
from vovtrack.errors import InputError
from vovtrack.structures import Target
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
    tracker.start(target=Target(classes=["striped red star"]))
    assert tracker.names == ("striped red star",)
    tracker.step(clip[0])
    tracker.start(target=Target(classes="striped red star, solid blue circle"))
    assert tracker.names == ("striped red star", "solid blue circle")
    tracker.start(target=Target(classes=CLASSES))


def test_reset_forgets_the_tracks(tracker, clip):
    tracker.start()
    first = tracker.step(clip[0])
    tracker.step(clip[1])
    tracker.reset()
    again = tracker.step(clip[0])
    assert again.frame_id == 0 and as_lists([again]) == as_lists([first])


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_gives_the_same_types(tracker, clip, amp):
    stream = OVOnlineTracker(mix_precision(tracker.model, amp), tracker.pipeline)
    stream.start()
    for frame in (clip[0], np.zeros_like(clip[0])):  # with objects, and without
        tracks = stream.step(frame)
        assert tracks.bboxes.dtype == tracks.scores.dtype == np.float32
        assert tracks.labels.dtype == tracks.track_ids.dtype == np.int64


@pytest.mark.parametrize("classes", [[], "", "a, , b", ["a", "a"], 5, [1, 2], {"a": 1, 2: 3}])
def test_unusable_class_names_are_refused(tracker, classes):
    with pytest.raises(InputError):
        load_tracker("mini", classes=classes, device="cpu")


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        None,
    ],
)
def test_what_is_not_a_frame_is_refused(tracker, frame):
    with pytest.raises(InputError, match="uint8"):
        tracker.step(frame)


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1)])
def test_a_frame_of_which_nothing_is_left_is_refused(tracker, shape):
    tracker.start()
    with pytest.raises(InputError, match=rf"has {shape[1]}x{shape[0]} pixels"):
        tracker.step(np.zeros((*shape, 3), np.uint8))
    assert len(tracker.step_batch([])) == 0
    assert tracker.step(np.zeros((1, 30, 3), np.uint8)).frame_id == 0
    tracker.reset()


def test_threads_that_share_a_tracker_are_refused(tracker, clip, monkeypatch):
    """The second thread comes while the first is inside of the network."""
    inside, done = Event(), Event()
    step = tracker.model.test_step

    def wait(data):
        inside.set()
        assert done.wait(60)
        return step(data)

    monkeypatch.setattr(tracker.model, "test_step", wait)
    tracker.start()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tracker.step, clip[0])
        assert inside.wait(60)
        with pytest.raises(InputError, match="in another thread"):
            tracker.step(clip[1])
        done.set()
        assert first.result().frame_id == 0
    assert tracker.step(clip[1]).frame_id == 1


def test_unknown_names_and_files():
    with pytest.raises(InputError, match="mini"):
        load_tracker("minni")
    with pytest.raises(InputError, match="There is no config 'None'"):
        load_tracker(None)
    with pytest.raises(InputError, match="does not exist"):
        load_tracker("mini", checkpoint="nothing.pth")
    with pytest.raises(InputError, match="without weights"):
        load_tracker("ovtrack_r50_tao")
    with pytest.raises(InputError, match="amp"):
        load_tracker("mini", amp="int4", device="cpu")
    with pytest.raises(InputError, match="Device 'gpu'"):
        load_tracker("mini", device="gpu")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "lr = 1", "no 'online' with"),
        ("a.py", "model = dict(", "cannot be read"),
        ("a.py", "_base_ = ['nothing.py']", "cannot be read"),
        ("a.txt", "model", "cannot be read"),
    ],
)
def test_files_that_are_not_a_config(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"{name}.*{message}"):
        load_tracker(tmp_path / name, checkpoint="any.pth", trust_config=True)


def test_a_config_without_a_tracker_is_refused():
    with pytest.raises(InputError, match="not one of a tracker"):
        load_tracker("detector", checkpoint="any.pth")


def resident_bytes() -> int:
    """Resident set size of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def live_objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def test_memory_does_not_grow_with_the_video(tracker, clip):
    """Whoever kept frames would grow by 1 MB a frame; whoever kept results, by objects.

    The resident size itself jumps by blocks of some 20 MB, which the allocator takes and gives
    back: small leaks show only in the long run of tools/benchmarks/memory_slope.py.
    """
    stream = OVOnlineTracker(tracker.model, resized_to(64, 64))
    stream.start()
    large = [cv2.resize(frame, (720, 480)) for frame in clip]
    held, resident, objects = [], [], []
    for t in range(300):
        stream.step(large[t % len(large)])
        if t in (99, 299):
            memory = tracker.model.tracker.memory
            held.append(sum(c.nbytes for c in memory.columns.values()) + memory.ids.nbytes)
            resident.append(resident_bytes())
            objects.append(live_objects())
    assert held[1] <= 2 * max(held[0], 1)
    assert resident[1] - resident[0] < 200 * large[0].nbytes / 4
    assert objects[1] - objects[0] < 200


def test_the_readme_example_runs(tmp_path, clip, tracker):
    from vovtrack.visualization import VideoWriter

    with VideoWriter(tmp_path / "v.mp4", 5) as writer:
        for frame in clip:
            writer.write(frame)
    tracker.start()
    assert [tracker.step(frame).frame_id for frame in read_video(tmp_path / "v.mp4")] == [*range(6)]


def test_a_scope_that_another_run_left_behind_does_not_matter():
    with DefaultScope.overwrite_default_scope("mmengine"):
        assert load_tracker("mini", device="cpu").names
