"""A contact sheet: some frames of a camera with their points, to be judged at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vovtrack.files.images import write_image
from vovtrack.formats.point_json import NOWHERE
from vovtrack.formats.robot_h5 import Camera
from vovtrack.structures.points import PlacedPoints
from vovtrack.synthetic import paper
from vovtrack.visualization.palette import track_color
from vovtrack.visualization.points import PointPainter

FRAMES = 12
COLUMNS = 4
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
    heading = paper.heading(title, "disc: visible, ring with a cross: hidden")
    write_image(path, np.concatenate([heading, paper.rows(tiles, COLUMNS)]))


def _tile(
    frame: NDArray[np.uint8],
    names: Sequence[str],
    keypoints: NDArray[np.float32],
    text: str,
    width: int,
) -> paper.Image:
    """One frame, scaled, with its points."""
    scale, margin = width / frame.shape[1], 4
    size = width, round(frame.shape[0] * scale)
    places = keypoints[:, :2] * np.float32(scale)
    there = (keypoints != np.array(NOWHERE, np.float32)).any(axis=1)
    seen = keypoints[:, 2] > 0
    placed = PlacedPoints(places, seen, keypoints[:, 2], there)
    drawn = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    canvas = paper.picture(PointPainter(length=1).draw(drawn, placed), [], width)
    for n in np.flatnonzero(there) if len(names) <= _NAMED else ():
        corner = round(float(places[n, 0])) + margin + 9, round(float(places[n, 1])) + margin + 5
        paper.write(canvas, names[n], corner, 0.4, paper.INK, weight=3)
        paper.write(canvas, names[n], corner, 0.4, track_color(int(n)))
    caption = paper.paper(22, canvas.shape[1])
    paper.write(caption, text, (margin, 15), 0.42, paper.INK)
    return np.concatenate([canvas, caption])
