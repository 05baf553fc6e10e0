"""Pictures that show what a mini world looks like, one for each of its parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vovtrack.files.images import read_image
from vovtrack.synthetic import paper
from vovtrack.synthetic.appearance import draw_look, draw_sprite
from vovtrack.synthetic.classes import COLOURS, PATTERNS, SHAPES, Composition, compositions
from vovtrack.synthetic.paper import Image
from vovtrack.synthetic.sections import EVALUATION
from vovtrack.synthetic.states import MEASURES, STATES, states_of

_NOVEL = (214, 84, 20)
_WHITE = (255, 255, 255)


def contact_sheets(root: Path) -> Iterator[tuple[str, Image]]:
    """Draw the classes, validation stills, a video of each kind, and objects by state.

    Args:
        root: Folder of a written world; ``world.json``, images and annotations are read from it.

    Yields:
        Name and picture of each sheet, (H, `vovtrack.synthetic.paper.WIDTH`, 3) uint8 RGB.
    """
    seed = json.loads((root / "world.json").read_text())["seed"]
    title = f"VOVTrack mini world, seed {seed}"
    novel = sum(c.novel for c in compositions())
    counts = f"{len(compositions())} classes: {len(compositions()) - novel} base, {novel} novel"
    yield "classes", np.concatenate([paper.heading(f"{title}: classes", counts), _class_table()])
    boxes = "boxes around the visible part; novel classes in orange"
    yield "stills", np.concatenate([paper.heading(f"{title}: stills", boxes), _stills(root)])
    tracks = "annotated frames in time order; one colour per track"
    strips = [paper.heading(f"{title}: videos", tracks)]
    for section in EVALUATION:
        strips += [paper.heading(section, "", 0.5), _film_strip(root, section)]
    strips += [paper.heading("raw", "not annotated", 0.5), _raw_strip(root)]
    yield "videos", np.concatenate(strips)
    shown = "part seen, part cut off, pixels of blur, light"
    objects = [paper.heading(f"{title}: states", shown)]
    for state in STATES:
        objects += [paper.heading(state, "", 0.5), _objects_in(root, state)]
    yield "states", np.concatenate(objects)


def _class_table() -> Image:
    """Draw an instance of every class: rows of pattern and colour, columns of shapes, twice."""
    halves = PATTERNS[: len(PATTERNS) // 2], PATTERNS[len(PATTERNS) // 2 :]
    by_name = {c.name: c for c in compositions()}
    cell = paper.tile_width(2 * (len(SHAPES) + 1))
    rng = np.random.default_rng(0)
    corner = paper.paper(26, cell)
    header = [corner, *(_label(shape, cell, 26) for shape in SHAPES)]
    tiles = []
    for left, right in zip(*halves, strict=True):
        for colour in COLOURS:
            for pattern in (left, right):
                tiles.append(_label(f"{pattern} {colour}", cell, cell))
                names = [f"{pattern} {colour} {shape}" for shape in SHAPES]
                tiles += [_class_cell(rng, by_name[name], cell) for name in names]
    columns = 2 * (len(SHAPES) + 1)
    return np.concatenate([paper.rows(header * 2, columns), paper.rows(tiles, columns)])


def _class_cell(rng: np.random.Generator, composition: Composition, side: int) -> Image:
    """Draw an instance of a class, in a frame if it is novel."""
    inner = side - 12
    sprite = draw_sprite(composition, draw_look(rng, composition))
    sprite = cv2.resize(sprite, (inner, inner), interpolation=cv2.INTER_AREA)
    cell = paper.paper(side, side)
    patch = cell[6 : 6 + inner, 6 : 6 + inner]
    mixed = patch * (1 - sprite[..., 3:]) + sprite[..., :3] * 255
    patch[:] = np.clip(mixed, 0, 255).astype(np.uint8)
    if composition.novel:
        cv2.rectangle(cell, (1, 1), (side - 3, side - 3), _NOVEL, 1, cv2.LINE_AA)
    return cell


def _label(text: str, width: int, height: int) -> Image:
    cell = paper.paper(height, width)
    words = text.split()
    for line, word in enumerate(words):
        y = height // 2 + 5 + round(15 * (line - (len(words) - 1) / 2))
        paper.write(cell, word, (width // 2, y), 0.42, paper.INK, centred=True)
    return cell


def _stills(root: Path, columns: int = 4, count: int = 8) -> Image:
    data = json.loads((root / "lvis/annotations/val.json").read_text())
    novel = {c["id"] for c in data["categories"] if c["frequency"] == "r"}
    names = {c["id"]: c["name"] for c in data["categories"]}
    width = paper.tile_width(columns) - 8
    tiles = []
    for image in data["images"][:count]:
        boxes = [
            (a["bbox"], _NOVEL if a["category_id"] in novel else _WHITE, names[a["category_id"]])
            for a in data["annotations"]
            if a["image_id"] == image["id"]
        ]
        tiles.append(paper.picture(_read(root / "lvis/images" / image["file_name"]), boxes, width))
    return paper.rows(tiles, columns)


def _film_strip(root: Path, section: str, columns: int = 6, count: int = 12) -> Image:
    data = _videos(root, section)
    width = paper.tile_width(columns) - 8
    tiles = []
    for image in data["images"][:count]:
        boxes = [
            (a["bbox"], paper.track_colour(a["track_id"]), str(a["track_id"]))
            for a in data["annotations"]
            if a["image_id"] == image["id"]
        ]
        tiles.append(paper.picture(_read(root / "tao/frames" / image["file_name"]), boxes, width))
    return paper.rows(tiles, columns)


def _raw_strip(root: Path, columns: int = 6, count: int = 12) -> Image:
    clip = sorted((root / "raw").rglob("frame0001.jpg"))[0].parent
    width = paper.tile_width(columns) - 8
    frames = sorted(clip.iterdir())[::2][:count]
    return paper.rows([paper.picture(_read(frame), [], width) for frame in frames], columns)


def _objects_in(root: Path, state: str, columns: int = 10, count: int = 20) -> Image:
    """Show objects that are in a state, each from another track, over the measures."""
    side = paper.tile_width(columns)
    return paper.rows(
        [_object_tile(*found, side) for found in islice(_in_state(root, state), count)], columns
    )


def _in_state(root: Path, state: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the image and the annotation of objects in a state, one of each track."""
    for section in reversed(EVALUATION):
        data = _videos(root, section)
        names = {image["id"]: image["file_name"] for image in data["images"]}
        tracks: set[int] = set()
        for annotation in data["annotations"]:
            words = states_of(**{name: annotation[name] for name in MEASURES})
            if words == (state,) and annotation["track_id"] not in tracks:
                tracks.add(annotation["track_id"])
                yield root / "tao/frames" / names[annotation["image_id"]], annotation


def _object_tile(path: Path, annotation: dict[str, Any], side: int) -> Image:
    """Cut an object out with some surroundings."""
    x, y, width, height = annotation["bbox"]
    inner = side - 8
    scale = inner / (1.5 * max(width, height))
    shift = inner / 2 - scale * x - scale * width / 2, inner / 2 - scale * y - scale * height / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    tile = paper.paper(side + 18, side)
    tile[4 : 4 + inner, 4 : 4 + inner] = cv2.warpAffine(
        _read(path), matrix, (inner, inner), flags=cv2.INTER_CUBIC, borderValue=paper.INK
    )
    numbers = " ".join(f"{annotation[name]:.{1 if name == 'blur' else 2}f}" for name in MEASURES)
    paper.write(tile, numbers, (side // 2, side + 8), 0.36, paper.SOFT, centred=True)
    return tile


def _videos(root: Path, section: str) -> dict[str, Any]:
    name = section.removeprefix("tao_")
    content: dict[str, Any] = json.loads((root / f"tao/annotations/{name}.json").read_text())
    return content


def _read(path: Path) -> Image:
    """Read a picture as RGB."""
    return np.ascontiguousarray(read_image(path)[..., ::-1])
