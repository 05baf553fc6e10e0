"""Following points through one camera of a recording, forwards or backwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vovtrack.datasets.video import FrameSource
from vovtrack.datasets.video_file import Item
from vovtrack.engine.online import OnlineTracker
from vovtrack.engine.points import follow_points
from vovtrack.errors import InputError
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
        online: Any tracker of points, see :mod:`vovtrack.engine.points`.
        camera: Where the frames come from.
        queries: (N, 3) frame, x and y in pixels: where each point begins.
        backwards: Follow them towards the first frame.
        progress: Show a bar with rate and remaining time.

    Returns:
        (T, N, 3) float32 x, y, visible, in the order of the camera's frames; ``NOWHERE`` on the
        far side of a point's beginning.

    Raises:
        InputError: A point outside of the frames or later than the last, more points than can be
            kept, a tracker that does not take points, or a frame that cannot be read.
    """
    check_count(camera.num_frames, len(queries), f"camera {camera.name}")
    last = camera.num_frames - 1
    order = range(last, -1, -1) if backwards else range(camera.num_frames)
    asked = np.array(queries, dtype=np.float32)
    if (latest := asked[:, 0].max(initial=0)) > last:
        raise InputError(
            f"A point begins in frame {latest:.0f}, but camera {camera.name} has the frames 0 to "
            f"{last}."
        )
    if backwards:
        asked[:, 0] = last - asked[:, 0]
    Target(points=asked).check_inside(camera.width, camera.height)

    def read() -> Iterator[Item]:
        for index in order:
            yield f"frame {index}", camera.frame(index), None

    source = FrameSource(camera.name, read, camera.width, camera.height)
    with closing(source.timed()) as timed:
        frames = tqdm(
            (frame for frame, _ in timed),
            desc=camera.name,
            total=camera.num_frames,
            unit="frame",
            leave=False,
            disable=not progress,
        )
        points, visible = follow_points(online, frames, asked)
    found = np.concatenate([points, visible[..., None]], axis=2, dtype=np.float32)
    found = found.transpose(1, 0, 2)
    found[np.arange(camera.num_frames)[:, None] < asked[:, 0]] = NOWHERE
    return np.ascontiguousarray(found[::-1] if backwards else found)
