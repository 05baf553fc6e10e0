"""Crops around ground truth boxes, and what a small CLIP sees of them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.files.images import read_image
from vovtrack.models.clip.encoder import CLIP_MEAN, CLIP_STD

STORED_CONTEXT = 1.6
"""A stored crop shows a square of this many times the longer side of the box."""
TEST_CONTEXT = 1.1
"""The part of it, in the same unit, that `centre_view` shows."""


@dataclass(frozen=True)
class Crops:
    """Square crops around ground truth boxes.

    Attributes:
        images: (N, 3, S, S) uint8 RGB; the box's longer side fills 1 / 1.6 of S.
        labels: (N,) int64 positions in `names`.
        names: Class names, in the order of the annotation file.
        novel: (C,) bool, classes of LVIS frequency "r".
    """

    images: Tensor
    labels: Tensor
    names: tuple[str, ...]
    novel: Tensor


def read_crops(annotation_file: str | Path, image_root: str | Path, size: int = 72) -> Crops:
    """Cut every annotated box of an LVIS- or TAO-style file out of its image.

    Args:
        annotation_file: JSON with images, annotations (bbox xywh in pixels) and categories.
        image_root: Folder that ``file_name`` of the images refers to.
        size: S, side of the crops in pixels.

    Raises:
        InputError: Missing or unreadable file, missing key, or no boxes at all.
    """
    content = _read_json(annotation_file)
    categories = content["categories"]
    position = {category["id"]: index for index, category in enumerate(categories)}
    boxes_of: dict[int, list[dict]] = defaultdict(list)
    for annotation in content["annotations"]:
        boxes_of[annotation["image_id"]].append(annotation)
    images, labels = [], []
    for record in content["images"]:
        if record["id"] not in boxes_of:
            continue
        path = Path(image_root) / record["file_name"]
        pixels = read_image(path)
        for annotation in boxes_of[record["id"]]:
            images.append(_crop(pixels, annotation["bbox"], size))
            labels.append(position[annotation["category_id"]])
    if not images:
        raise InputError(f"{annotation_file} has no boxes to crop; generate a larger mini world")
    return Crops(
        images=torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(),
        labels=torch.tensor(labels),
        names=tuple(category["name"] for category in categories),
        novel=torch.tensor([category.get("frequency") == "r" for category in categories]),
    )


def join_crops(*parts: Crops) -> Crops:
    """Put the crops of several files with the same categories together.

    Raises:
        InputError: The files list different categories.
    """
    if len({part.names for part in parts}) != 1:
        raise InputError("the annotation files of the mini world list different categories")
    return Crops(
        images=torch.cat([part.images for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
        names=parts[0].names,
        novel=parts[0].novel,
    )


def augment(
    images: Tensor, size: int, generator: torch.Generator, hide: str | None = None
) -> Tensor:
    """Rotate, flip, zoom, shift and re-light stored crops; return normalised network inputs.

    Args:
        images: (N, 3, S, S) uint8 crops of `read_crops`.
        size: Side of the network input.
        generator: Source of randomness.
        hide: Attribute to make unrecognisable: "colour" turns the hue at random, "shape"
            shows a small part of the object only, None hides nothing.

    Returns:
        (N, 3, size, size) float32.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(len(images), *shape, generator=generator) * (high - low) + low

    angle = uniform(-math.pi, math.pi)
    zoom = (uniform(0.4, 0.6) if hide == "shape" else uniform(0.95, 1.5)) / STORED_CONTEXT
    flip = torch.sign(uniform(-1, 1))
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    shift = uniform(-0.08, 0.08, 2)
    x_row = torch.stack([cos * flip, -sin, shift[:, 0]], dim=1)
    y_row = torch.stack([sin * flip, cos, shift[:, 1]], dim=1)
    crops = _resample(images, torch.stack([x_row, y_row], dim=1), size)
    if hide == "colour":
        crops = torch.einsum("nij,njhw->nihw", _hue_rotation(uniform(-math.pi, math.pi)), crops)
    gain = uniform(0.75, 1.25, 1, 1, 1) * uniform(0.93, 1.07, 3, 1, 1)
    return _normalise((crops * gain).clamp(0, 1))


def centre_view(images: Tensor, size: int) -> Tensor:
    """Return network inputs (N, 3, size, size) that show each box with 1.1 times its side."""
    zoom = TEST_CONTEXT / STORED_CONTEXT
    matrix = torch.tensor([[zoom, 0, 0], [0, zoom, 0]]).expand(len(images), 2, 3)
    return _normalise(_resample(images, matrix, size))


def _hue_rotation(angle: Tensor) -> Tensor:
    """Return the (N, 3, 3) rotations of RGB space about its grey axis by angles (N,)."""
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    axis = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    return cos * torch.eye(3) + (1 - cos) / 3 + sin * axis


def _resample(images: Tensor, matrix: Tensor, size: int) -> Tensor:
    grid = F.affine_grid(matrix, [len(images), 3, size, size], align_corners=False)
    pixels = images.float() / 255
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _normalise(images: Tensor) -> Tensor:
    mean, std = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
    return (images - mean[:, None, None]) / std[:, None, None]


def _crop(pixels: np.ndarray, bbox: Sequence[float], size: int) -> np.ndarray:
    """Cut a square of 1.6 times the longer box side; outside the image its border is repeated."""
    x, y, width, height = bbox
    side = max(width, height, 1.0) * STORED_CONTEXT
    scale = size / side
    matrix = np.array(
        [
            [scale, 0, size / 2 - scale * (x + width / 2 - 0.5) - 0.5],
            [0, scale, size / 2 - scale * (y + height / 2 - 0.5) - 0.5],
        ]
    )
    crop = cv2.warpAffine(
        pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.cvtColor(crop, cv2.COLOR_BGR2RGB)


def _read_json(path: str | Path) -> dict:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist; write a mini world with 'vovtrack synth' first"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}") from error
    for key in ("images", "annotations", "categories"):
        if key not in content:
            raise InputError(f"{path} lacks the key {key!r} of an LVIS-style annotation file")
    return content
