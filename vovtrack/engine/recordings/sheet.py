"""A contact sheet: some frames of a camera with their points, to be judged at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vovtrack.files.images import write_image
from vovtrack.formats.robot_h5 import Camera
from vovtrack.synthetic import paper
from vovtrack.visualization.palette import track_color

FRAMES = 12
COLUMNS = 4
_RADIUS = 5
_NAMED = 12
"""Points that are written with their names; more would cover the picture."""


def write_sheet(
    path: Path,
    title: str,
    camera: Camera,
    names: Sequence[str],
    keypoints: NDArray[np.float32],
    marked: Sequence[int] = (),
) -> None:
    """Draw frames from the first to the last, and those to look at.

    Args:
        path: Picture to write.
        title: What it shows.
        camera: Where the frames come from.
        names: Of the N points.
        keypoints: (T, N, 3) x, y in pixels, visible.
        marked: Frames that must be among them, the most important ones first.
    """
    evenly = np.linspace(0, camera.num_frames - 1, FRAMES).round().astype(int)
    wanted = list(dict.fromkeys([0, camera.num_frames - 1, *marked[: FRAMES // 2], *evenly[1:-1]]))
    chosen = sorted({int(index) for index in wanted[:FRAMES]})
    width = paper.tile_width(COLUMNS) - 8
    tiles = []
    for index in chosen:
        text = f"frame {index}{', look here' if index in marked else ''}"
        tiles.append(_tile(camera.frame(index), names, keypoints[index], text, width))
    heading = paper.heading(title, "filled: visible, ring: hidden")
    write_image(path, np.concatenate([heading, paper.rows(tiles, COLUMNS)]))


def _tile(
    frame: NDArray[np.uint8],
    names: Sequence[str],
    keypoints: NDArray[np.float32],
    text: str,
    width: int,
) -> paper.Image:
    """One frame, scaled, with its points."""
    canvas = paper.picture(frame, [], width)
    scale, margin = width / frame.shape[1], 4
    for n, (x, y, visible) in enumerate(keypoints.tolist()):
        place = round(x * scale) + margin, round(y * scale) + margin
        if not (0 <= place[0] < canvas.shape[1] and 0 <= place[1] < canvas.shape[0]):
            continue
        cv2.circle(canvas, place, _RADIUS + 1, paper.INK, 2, cv2.LINE_AA)
        cv2.circle(canvas, place, _RADIUS, track_color(n), -1 if visible else 2, cv2.LINE_AA)
        if len(names) <= _NAMED:
            corner = place[0] + _RADIUS + 3, place[1] + _RADIUS
            paper.write(canvas, names[n], corner, 0.4, paper.INK, weight=3)
            paper.write(canvas, names[n], corner, 0.4, track_color(n))
    caption = paper.paper(22, canvas.shape[1])
    paper.write(caption, text, (margin, 15), 0.42, paper.INK)
    return np.concatenate([canvas, caption])
