"""Second views of still images by augmentation: a stand-in for generated twins.

An image is warped (scale, turn, shift, shear, perspective, flip), its light is changed, and its
ground is kept or replaced; the boxes of the objects follow. The ranges are those that OVTrack (Li
et al., CVPR 2023, section 3.3) warps with before its diffusion model repaints the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from pycocotools import mask as rle_masks

from vovtrack.errors import InputError, one_of

BACKGROUNDS = ("same", "other")
_MAX_DRAWS = 10


@dataclass(frozen=True)
class TwinRecipe:
    """How second views are drawn.

    Attributes:
        background: ``same`` warps the whole image and fills what it leaves open from the original;
            ``other`` shows another image around the objects (their masks, or boxes where there
            are no masks, a little widened).
        min_area: Objects with a smaller box are not followed, pixels.
        min_twin_area: An object whose box in the twin is smaller counts as lost there, pixels.
        warp_prob: Probability of the affine warp, and of the perspective.
        scale: Range of the affine scale.
        max_turn: Degrees.
        max_shift: Share of width and height.
        max_shear: Degrees.
        perspective: Range of the share by which corners move inwards at most.
        flip_prob: Probability of a horizontal flip.
        light_prob: Probability of a change of light.
        max_light: Largest change of contrast, and of brightness as a share of white.
    """

    background: Literal["same", "other"] = "same"
    min_area: float = 64**2
    min_twin_area: float = 32**2
    warp_prob: float = 0.5
    scale: tuple[float, float] = (0.6, 1.5)
    max_turn: float = 30.0
    max_shift: float = 0.2
    max_shear: float = 15.0
    perspective: tuple[float, float] = (0.05, 0.2)
    flip_prob: float = 0.5
    light_prob: float = 0.2
    max_light: float = 0.2

    def __post_init__(self) -> None:
        one_of("background", self.background, BACKGROUNDS)
        if self.min_area < 1 or self.min_twin_area < 1:
            raise InputError("The smallest areas of boxes must be 1 pixel or more.")


def make_twin(
    image: np.ndarray,
    outlines: list[list[np.ndarray]],
    recipe: TwinRecipe,
    rng: np.random.Generator,
    other: np.ndarray | None = None,
) -> tuple[np.ndarray, list[list[float] | None]] | None:
    """Draw a second view of an image that shows at least one of its objects.

    Args:
        image: (H, W, 3) uint8.
        outlines: Polygons (P, 2) of each object, pixels of the image, see :func:`outline`.
        recipe: What to draw from.
        rng: Draws.
        other: (H', W', 3) image to put around the objects; needed if the recipe says so.

    Returns:
        The twin (H, W, 3), and for each object the box [x, y, w, h] of what is seen of it, None if
        that is too little; or None if ten draws lost all objects.
    """
    height, width = image.shape[:2]
    for _ in range(_MAX_DRAWS):
        matrix = draw_homography(width, height, recipe, rng)
        masks = [_warped_mask(polygons, matrix, width, height) for polygons in outlines]
        boxes = [_seen_box(mask, recipe.min_twin_area) for mask in masks]
        if any(box is not None for box in boxes):
            shown = np.maximum.reduce(masks) if recipe.background == "other" else None
            return _paint(image, matrix, shown, other, recipe, rng), boxes
    return None


def outline(instance: dict, width: int, height: int) -> list[np.ndarray]:
    """Polygons (P, 2) around an object, in pixels; its box if it has no mask.

    Args:
        instance: ``bbox`` (x1, y1, x2, y2) and perhaps ``mask``, polygons or run lengths (COCO).
        width: Of the image.
        height: Of the image.
    """
    mask = instance.get("mask")
    if mask is None:
        x1, y1, x2, y2 = instance["bbox"]
        return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)]
    if isinstance(mask, list):
        return [np.array(polygon, np.float64).reshape(-1, 2) for polygon in mask]
    if isinstance(mask["counts"], list):
        mask = rle_masks.frPyObjects(mask, height, width)
    contours, _ = cv2.findContours(
        rle_masks.decode(mask), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    return [contour[:, 0].astype(np.float64) + 0.5 for contour in contours]


def draw_homography(
    width: int, height: int, recipe: TwinRecipe, rng: np.random.Generator
) -> np.ndarray:
    """Draw a warp (3, 3) of an image onto its own canvas, in pixel coordinates."""
    matrix = np.eye(3)
    if rng.random() < recipe.warp_prob:
        matrix = _draw_affine(width, height, recipe, rng)
    if rng.random() < recipe.warp_prob:
        matrix = _draw_perspective(width, height, recipe, rng) @ matrix
    if rng.random() < recipe.flip_prob:
        matrix = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]]) @ matrix
    return matrix


def _draw_affine(
    width: int, height: int, recipe: TwinRecipe, rng: np.random.Generator
) -> np.ndarray:
    turn = np.radians(rng.uniform(-1, 1) * recipe.max_turn)
    shear = np.tan(np.radians(rng.uniform(-1, 1, 2) * recipe.max_shear))
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ [[1, shear[0]], [shear[1], 1]] * rng.uniform(*recipe.scale)
    centre = np.array([width, height]) / 2
    shift = rng.uniform(-1, 1, 2) * recipe.max_shift * [width, height]
    return np.block([[linear, (centre - linear @ centre + shift)[:, None]], [0, 0, 1]])


def _draw_perspective(
    width: int, height: int, recipe: TwinRecipe, rng: np.random.Generator
) -> np.ndarray:
    """Four corners of a quadrangle within the image become those of the image."""
    inwards = rng.uniform(0, rng.uniform(*recipe.perspective), (4, 2)) * [width, height]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    inner = corners + inwards * [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    return cv2.getPerspectiveTransform(inner.astype(np.float32), corners.astype(np.float32))


def _warped_mask(
    polygons: list[np.ndarray], matrix: np.ndarray, width: int, height: int
) -> np.ndarray:
    """(H, W) uint8, 1 where the object is seen."""
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        points = np.column_stack([polygon, np.ones(len(polygon))]) @ matrix.T
        if (points[:, 2] > 0).all():
            # Pixel i covers [i, i + 1).
            points = np.round(points[:, :2] / points[:, 2:] - 0.5).astype(np.int32)
            cv2.fillPoly(mask, [points], 1)
    return mask


def _seen_box(mask: np.ndarray, min_area: float) -> list[float] | None:
    x, y, width, height = cv2.boundingRect(mask)
    return [float(v) for v in (x, y, width, height)] if width * height >= min_area else None


def _paint(
    image: np.ndarray,
    matrix: np.ndarray,
    shown: np.ndarray | None,
    other: np.ndarray | None,
    recipe: TwinRecipe,
    rng: np.random.Generator,
) -> np.ndarray:
    """Warp the image, put the ground where it is not seen, and change the light."""
    height, width = image.shape[:2]
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    by_index = np.linalg.inv(half) @ matrix @ half  # OpenCV counts from the centre of pixel 0
    twin = cv2.warpPerspective(image, by_index, (width, height), borderMode=cv2.BORDER_REPLICATE)
    covered: np.ndarray = cv2.warpPerspective(
        np.ones((height, width), np.uint8), by_index, (width, height), flags=cv2.INTER_NEAREST
    )
    ground = image
    if shown is not None and other is not None:
        ground = cv2.resize(other, (width, height))
        covered &= cv2.dilate(shown, np.ones((15, 15), np.uint8), iterations=2)
    twin = np.where(covered[..., None] == 1, twin, ground)
    if rng.random() < recipe.light_prob:
        contrast, brightness = rng.uniform(-1, 1, 2) * recipe.max_light
        twin = np.clip(twin * (1 + contrast) + 255 * brightness, 0, 255).astype(np.uint8)
    return twin
