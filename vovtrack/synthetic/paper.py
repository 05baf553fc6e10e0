"""Parts of a picture that people read: headings, rows of tiles, boxes with names."""

from __future__ import annotations

import cv2
import numpy as np

WIDTH = 1480
PAD = 28
PAPER = (250, 250, 248)
INK = (38, 40, 46)
SOFT = (128, 132, 140)

Image = np.ndarray
"""(H, W, 3) uint8 RGB."""
Colour = tuple[int, int, int]


def heading(text: str, caption: str, size: float = 0.72) -> Image:
    """Return a line of large text and a smaller one."""
    strip = paper(round(42 + 20 * size))
    write(strip, text, (PAD + 2, len(strip) - 16), size, INK, weight=2)
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 2)
    write(strip, caption, (PAD + width + 22, len(strip) - 16), 0.52, SOFT)
    return strip


def rows(tiles: list[Image], columns: int) -> Image:
    """Set tiles of one size in rows."""
    lines = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    return np.concatenate([_row(line) for line in lines] or [paper(PAD)])


def tile_width(columns: int) -> int:
    """Width of one of so many tiles in a row, in pixels, with their margins."""
    return (WIDTH - 2 * PAD) // columns


def _row(cells: list[Image]) -> Image:
    row = np.concatenate(cells, axis=1)
    strip = paper(len(row))
    strip[:, PAD : PAD + row.shape[1]] = row
    return strip


def paper(height: int, width: int = WIDTH) -> Image:
    """Return an empty sheet, (height, width, 3)."""
    return np.full((height, width, 3), PAPER, np.uint8)


def picture(image: Image, boxes: list[tuple[list[float], Colour, str]], width: int) -> Image:
    """Draw labelled boxes (xywh, colour, text) over an enlarged image, with a paper margin."""
    scale = width / image.shape[1]
    height = round(image.shape[0] * scale)
    canvas = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    canvas = np.ascontiguousarray(canvas)
    for (x, y, w, h), colour, _ in boxes:
        low = round(x * scale), round(y * scale)
        high = round((x + w) * scale) - 1, round((y + h) * scale) - 1
        cv2.rectangle(canvas, low, high, INK, 3, cv2.LINE_AA)
        cv2.rectangle(canvas, low, high, colour, 1, cv2.LINE_AA)
    for (x, y, _, _), colour, text in boxes:
        _tag(canvas, text, (round(x * scale), round(y * scale)), colour)
    return cv2.copyMakeBorder(canvas, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=PAPER)


def _tag(canvas: Image, text: str, corner: tuple[int, int], colour: Colour) -> None:
    """Write text on a filled plate above ``corner``, inside the canvas."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)
    x = int(np.clip(corner[0], 0, max(canvas.shape[1] - width - 5, 0)))
    y = int(np.clip(corner[1] - height - base - 2, 0, canvas.shape[0] - height - base - 4))
    cv2.rectangle(canvas, (x, y), (x + width + 4, y + height + base + 1), colour, -1)
    ink = INK if sum(colour) > 360 else (255, 255, 255)
    write(canvas, text, (x + 2, y + height + 2), 0.4, ink)


def track_colour(track_id: int) -> Colour:
    """Return a bright colour; golden-angle steps keep neighbouring ids far apart."""
    hsv = np.array([[[int(track_id * 0.618034 * 180) % 180, 190, 250]]], np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def write(
    canvas: Image,
    text: str,
    position: tuple[int, int],
    size: float,
    colour: Colour,
    weight: int = 1,
    centred: bool = False,
) -> None:
    """Write text whose baseline starts at ``position``, or has its middle there."""
    x, y = position
    if centred:
        x -= cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, weight)[0][0] // 2
    cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, weight, cv2.LINE_AA)
