"""A picture that shows what a mini world looks like."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from vovtrack.files.images import read_image
from vovtrack.synthetic.appearance import draw_look, draw_sprite
from vovtrack.synthetic.classes import Composition, compositions

WIDTH = 1480
_PAPER = (250, 250, 248)
_INK = (38, 40, 46)
_SOFT = (128, 132, 140)
_NOVEL = (214, 84, 20)
_PAD = 28
_CELL = (WIDTH - 2 * _PAD) // 9


def draw_contact_sheet(root: Path, seed: int) -> np.ndarray:
    """Draw the classes, some validation stills and one validation video of a written world.

    Args:
        root: Folder of the world (images and annotations are read from it).
        seed: The world's seed, named in the title.

    Returns:
        (H, WIDTH, 3) uint8 RGB.
    """
    classes = compositions()
    novel = sum(c.novel for c in classes)
    title = f"VOVTrack mini world, seed {seed}"
    caption = f"{len(classes)} classes: {len(classes) - novel} base, {novel} novel"
    rows = [
        _heading(title, caption, 0.95),
        _class_grid(),
        _heading("Validation stills", "boxes around the visible part; novel classes in orange"),
        _stills(root),
        _heading("A validation video", "annotated frames in time order; one colour per track"),
        _film_strip(root),
        _paper(_PAD // 2),
    ]
    return np.concatenate(rows)


def _class_grid() -> np.ndarray:
    cells = []
    rng = np.random.default_rng(0)
    for composition in sorted(compositions(), key=lambda c: (c.novel, c.name)):
        cells.append(_class_cell(rng, composition))
    rows = [_row(cells[i : i + 9]) for i in range(0, len(cells), 9)]
    return np.concatenate(rows)


def _class_cell(rng: np.random.Generator, composition: Composition) -> np.ndarray:
    """Draw two instances of a class over its name."""
    cell: np.ndarray = np.full((_CELL - 38, _CELL, 3), _PAPER, np.float32)
    side = 72
    for left in (6, _CELL - side - 6):
        sprite = draw_sprite(composition, draw_look(rng, composition))
        sprite = cv2.resize(sprite, (side, side), interpolation=cv2.INTER_AREA)
        patch = cell[6 : 6 + side, left : left + side]
        patch[:] = patch * (1 - sprite[..., 3:]) + sprite[..., :3] * 255
    cell = np.clip(cell, 0, 255).astype(np.uint8)
    colour = _NOVEL if composition.novel else _INK
    first, rest = composition.name.split(" ", 1)
    _text(cell, first, (_CELL // 2, 94), 0.46, colour, centred=True)
    _text(cell, rest, (_CELL // 2, 111), 0.46, colour, centred=True)
    if composition.novel:
        cv2.rectangle(cell, (2, 1), (_CELL - 3, len(cell) - 3), _NOVEL, 1, cv2.LINE_AA)
    return cell


def _stills(root: Path, columns: int = 4, count: int = 4) -> np.ndarray:
    data = json.loads((root / "lvis/annotations/val.json").read_text())
    novel = {c["id"] for c in data["categories"] if c["frequency"] == "r"}
    names = {c["id"]: c["name"] for c in data["categories"]}
    tiles = []
    for image in data["images"][:count]:
        picture = read_image(root / "lvis/images" / image["file_name"])[..., ::-1]
        boxes = [
            (
                a["bbox"],
                _NOVEL if a["category_id"] in novel else (255, 255, 255),
                names[a["category_id"]],
            )
            for a in data["annotations"]
            if a["image_id"] == image["id"]
        ]
        tiles.append(_picture(picture, boxes, (WIDTH - 2 * _PAD) // columns - 8))
    return np.concatenate([_row(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def _film_strip(root: Path, columns: int = 6, count: int = 12) -> np.ndarray:
    data = json.loads((root / "tao/annotations/validation.json").read_text())
    video = data["videos"][0]["id"]
    tiles = []
    for image in [i for i in data["images"] if i["video_id"] == video][:count]:
        picture = read_image(root / "tao/frames" / image["file_name"])[..., ::-1]
        boxes = [
            (a["bbox"], _id_colour(a["track_id"]), str(a["track_id"]))
            for a in data["annotations"]
            if a["image_id"] == image["id"]
        ]
        tiles.append(_picture(picture, boxes, (WIDTH - 2 * _PAD) // columns - 8))
    return np.concatenate([_row(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def _picture(
    image: np.ndarray, boxes: list[tuple[list[float], tuple[int, int, int], str]], width: int
) -> np.ndarray:
    """Draw labelled boxes (xywh, colour, text) over an enlarged image, with a paper margin."""
    scale = width / image.shape[1]
    height = round(image.shape[0] * scale)
    canvas = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    canvas = np.ascontiguousarray(canvas)
    for (x, y, w, h), colour, _ in boxes:
        low = round(x * scale), round(y * scale)
        high = round((x + w) * scale) - 1, round((y + h) * scale) - 1
        cv2.rectangle(canvas, low, high, _INK, 3, cv2.LINE_AA)
        cv2.rectangle(canvas, low, high, colour, 1, cv2.LINE_AA)
    for (x, y, _, _), colour, text in boxes:
        _tag(canvas, text, (round(x * scale), round(y * scale)), colour)
    return cv2.copyMakeBorder(canvas, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=_PAPER)


def _tag(
    canvas: np.ndarray, text: str, corner: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """Write text on a filled plate above ``corner``, inside the canvas."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)
    x = int(np.clip(corner[0], 0, max(canvas.shape[1] - width - 5, 0)))
    y = int(np.clip(corner[1] - height - base - 2, 0, canvas.shape[0] - height - base - 4))
    cv2.rectangle(canvas, (x, y), (x + width + 4, y + height + base + 1), colour, -1)
    ink = _INK if sum(colour) > 360 else (255, 255, 255)
    _text(canvas, text, (x + 2, y + height + 2), 0.4, ink)


def _id_colour(track_id: int) -> tuple[int, int, int]:
    """Return a bright colour; golden-angle steps keep neighbouring ids far apart."""
    hsv = np.array([[[int(track_id * 0.618034 * 180) % 180, 190, 250]]], np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def _heading(text: str, caption: str, size: float = 0.72) -> np.ndarray:
    strip = _paper(round(42 + 20 * size))
    _text(strip, text, (_PAD + 2, len(strip) - 16), size, _INK, weight=2)
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 2)
    _text(strip, caption, (_PAD + width + 22, len(strip) - 16), 0.52, _SOFT)
    return strip


def _row(cells: list[np.ndarray]) -> np.ndarray:
    row = np.concatenate(cells, axis=1)
    strip = _paper(len(row))
    strip[:, _PAD : _PAD + row.shape[1]] = row
    return strip


def _paper(height: int) -> np.ndarray:
    return np.full((height, WIDTH, 3), _PAPER, np.uint8)


def _text(
    canvas: np.ndarray,
    text: str,
    position: tuple[int, int],
    size: float,
    colour: tuple[int, int, int],
    weight: int = 1,
    centred: bool = False,
) -> None:
    x, y = position
    if centred:
        x -= cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, weight)[0][0] // 2
    cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, weight, cv2.LINE_AA)
