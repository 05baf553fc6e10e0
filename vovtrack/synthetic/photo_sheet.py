"""A picture that shows what moving photographs look like."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vovtrack.synthetic.paper import (
    INK,
    PAD,
    Image,
    heading,
    paper,
    picture,
    rows,
    tile_width,
    track_colour,
)
from vovtrack.synthetic.truth import BACKGROUND, FrameTruth
from vovtrack.synthetic.video_formats.points import sample_points
from vovtrack.synthetic.video_set import Sources
from vovtrack.synthetic.video_source import VideoSource

_COLUMNS = 4
_POINTS = 30
_GROUND = (255, 255, 255)


def draw_photo_sheet(sources: Sources, videos: int = 4) -> Image:
    """Draw frames of the first videos with the boxes of all pieces and points that are followed.

    Args:
        sources: Videos of moving photographs.
        videos: How many of them.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    caption = "boxes around what is seen; points that are followed, hollow while they are hidden"
    parts = [heading("Moving photographs", caption, 0.95)]
    for _, source in sources[:videos]:
        parts += [_film_strip(source()), paper(PAD // 2)]
    return np.concatenate(parts)


def _film_strip(video: VideoSource) -> Image:
    """Draw frames of one video from its first to its last."""
    shown = np.linspace(0, video.num_frames - 1, _COLUMNS).round().astype(int).tolist()
    images, truths = zip(*(video.render(frame) for frame in shown), strict=True)
    points = sample_points(truths, _POINTS, np.random.default_rng(0), first_share=0.7)
    places, visible = points.follow(truths)
    tiles = []
    for k, (image, truth) in enumerate(zip(images, truths, strict=True)):
        tile = picture(image, _boxes(truth), tile_width(_COLUMNS) - 8)
        _draw_points(tile, image.shape[1], places[:, k], visible[:, k], points.owners)
        tiles.append(tile)
    return rows(tiles, _COLUMNS)


def _boxes(truth: FrameTruth) -> list[tuple[list[float], tuple[int, int, int], str]]:
    boxes = []
    for i in truth.annotated.tolist():
        left, top, right, bottom = truth.bboxes[i].tolist()
        boxes.append(([left, top, right - left, bottom - top], track_colour(i), str(i)))
    return boxes


def _draw_points(
    tile: Image,
    width: int,
    places: NDArray[np.float64],
    visible: NDArray[np.bool_],
    owners: NDArray[np.int64],
) -> None:
    """Draw points (P, 2) of an image so wide on its tile; those outside do not show."""
    margin = 4
    scale = (tile.shape[1] - 2 * margin) / width
    inside = tile[margin:-margin, margin:-margin]
    for place, seen, owner in zip(places, visible, owners.tolist(), strict=True):
        centre = round(float(place[0]) * scale), round(float(place[1]) * scale)
        colour = _GROUND if owner == BACKGROUND else track_colour(owner)
        cv2.circle(inside, centre, 3, INK, -1 if seen else 2, cv2.LINE_AA)
        cv2.circle(inside, centre, 2, colour, -1 if seen else 1, cv2.LINE_AA)
