"""Following points through one camera of a recording, forwards or backwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vovtrack.datasets.video import FrameSource, TimedFrame
from vovtrack.datasets.video_file import Item
from vovtrack.engine.drive import OwedFrames, track_frames
from vovtrack.engine.online import OnlineTracker
from vovtrack.formats.point_json import NOWHERE, check_count
from vovtrack.formats.robot_h5 import Camera
from vovtrack.structures import Target


def follow(
    online: OnlineTracker,
    camera: Camera,
    queries: NDArray[np.floating],
    backwards: bool = False,
    progress: bool = False,
) -> NDArray[np.float32]:
    """Follow points from frame to frame; only a few frames are in memory.

    Args:
        online: A tracker that takes points. Track ``n`` is the point of row ``n``; it is visible
            where its score exceeds ``online.draw_threshold``.
        camera: Where the frames come from.
        queries: (N, 3) frame, x and y in pixels: where each point begins.
        backwards: Follow them towards the first frame.
        progress: Show a bar with rate and remaining time.

    Returns:
        (T, N, 3) float32 x, y, visible, in the order of the camera's frames; ``NOWHERE`` where the
        tracker says nothing, and on the far side of a point's beginning.

    Raises:
        InputError: A point outside of the frames, more points than can be kept, a tracker that
            does not take points, or a frame that cannot be read.
    """
    check_count(camera.num_frames, len(queries), f"camera {camera.name}")
    last = camera.num_frames - 1
    order = range(last, -1, -1) if backwards else range(camera.num_frames)
    starts = last - queries[:, 0] if backwards else queries[:, 0]
    target = Target(points=np.column_stack([starts, queries[:, 1:]]))
    target.check_inside(camera.width, camera.height)

    def read() -> Iterator[Item]:
        for index in order:
            yield f"frame {index}", camera.frame(index), None

    source = FrameSource(camera.name, read, camera.width, camera.height)
    found = np.tile(np.array(NOWHERE, np.float32), (camera.num_frames, len(queries), 1))
    bar = tqdm(
        total=camera.num_frames, unit="frame", desc=camera.name, leave=False, disable=not progress
    )
    with bar, closing(source.timed()) as frames:
        first = next(frames)
        online.start(first[0], target)
        owed = OwedFrames(source, drawn=False)
        batches = _one_by_one(chain([first], frames))
        for _, _, tracks in track_frames(online, batches, owed, bar.update):
            rows = tracks.track_ids < len(queries)
            ids, boxes = tracks.track_ids[rows], tracks.bboxes[rows]
            found[tracks.frame_id, ids, :2] = (boxes[:, :2] + boxes[:, 2:]) / 2
            found[tracks.frame_id, ids, 2] = tracks.scores[rows] > online.draw_threshold
    found[np.arange(camera.num_frames)[:, None] < starts] = NOWHERE
    return found[::-1].copy() if backwards else found


def _one_by_one(frames: Iterator[TimedFrame]) -> Iterator[list[TimedFrame]]:
    while batch := list(islice(frames, 1)):
        yield batch
