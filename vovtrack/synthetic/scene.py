"""A scene: objects on a background in front of a camera, rendered with exact ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vovtrack.synthetic.appearance import SPRITE_EXTENT, draw_look, draw_sprite, sprite_pyramid
from vovtrack.synthetic.backdrop import draw_backdrop, draw_bars
from vovtrack.synthetic.classes import compositions
from vovtrack.synthetic.motion import Camera, Paths, film, walk

MIN_VISIBLE_FRACTION = 0.25
MIN_VISIBLE_SIDE = 5
MIN_VISIBLE_AREA = 40
_MARGIN = 40


@dataclass(frozen=True)
class SceneRecipe:
    """What a kind of scene is made of.

    Attributes:
        num_frames: Frames to render.
        width: Frame width in pixels.
        height: Frame height in pixels.
        novel_share: Probability that an object which imitates no other is of a novel class.
        min_objects: Fewest objects.
        max_objects: Most objects.
        lookalikes: Probability that an object repeats the class of an earlier one.
        pace: Multiplies all speeds.
        shifted: Use the other textures, stronger blur and dimmer light of the raw clips.
    """

    num_frames: int
    width: int
    height: int
    novel_share: float = 0.0
    min_objects: int = 3
    max_objects: int = 7
    lookalikes: float = 0.25
    pace: float = 1.0
    shifted: bool = False


@dataclass(frozen=True)
class FrameTruth:
    """Ground truth of one frame.

    An object is annotated when at least `MIN_VISIBLE_FRACTION` of its full (amodal) area is seen,
    on at least `MIN_VISIBLE_AREA` pixels and `MIN_VISIBLE_SIDE` pixels in width and height. Its
    box is the hull of the pixels seen, not the amodal box.

    Attributes:
        objects: (M,) int64 positions of the annotated objects in `Scene.labels`, ascending.
        bboxes: (M, 4) float32 xyxy, image pixels.
        masks: (M, height, width) bool, the pixels seen.
        glimpsed: Labels of which an object is seen but not annotated.
    """

    objects: np.ndarray
    bboxes: np.ndarray
    masks: np.ndarray
    glimpsed: frozenset[int]


class Scene:
    """One scene drawn from one random generator.

    Args:
        rng: The scene's own generator; two scenes never share one.
        recipe: What to draw.

    Attributes:
        labels: (N,) int64 class of every object; label = position in `compositions()`. Later
            objects are nearer to the camera.
    """

    def __init__(self, rng: np.random.Generator, recipe: SceneRecipe) -> None:
        self.recipe = recipe
        self.labels = _draw_labels(rng, recipe)
        classes = compositions()
        looks = [draw_look(rng, classes[label]) for label in self.labels]
        self._sprites = [
            sprite_pyramid(draw_sprite(classes[label], look))
            for label, look in zip(self.labels, looks, strict=True)
        ]
        base_sizes = np.exp(rng.uniform(np.log(30), np.log(72), len(self.labels)))
        width, height = recipe.width, recipe.height
        self._paths = walk(rng, recipe.num_frames, base_sizes, width, height, recipe.pace)
        blurred = rng.random() < (0.8 if recipe.shifted else 0.4)
        exposure = rng.uniform(0.3, 0.7) if blurred else 0.0
        gain = rng.uniform(0.55, 0.9) if recipe.shifted else rng.uniform(0.85, 1.15)
        self._camera = film(rng, recipe.num_frames, width, exposure, gain)
        canvas = width + 2 * _MARGIN, height + 2 * _MARGIN
        self._backdrop = draw_backdrop(rng, *canvas, recipe.shifted)
        bars = int(rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2]))
        self._bars = draw_bars(rng, *canvas, bars) if bars else None
        self._noise = rng.normal(0, rng.uniform(0.5, 2.5), (height, width + 64))
        self._noise_offsets = rng.integers(0, 64, recipe.num_frames)

    def render(self, frame: int) -> tuple[np.ndarray, FrameTruth]:
        """Render one frame.

        Returns:
            The image, (height, width, 3) uint8 RGB, and its ground truth at mid-exposure.
        """
        exposure = self._camera.exposure
        moments = frame + (np.linspace(-0.5, 0.5, 5) * exposure if exposure else np.zeros(1))
        image = np.mean([self._expose(moment) for moment in moments], axis=0)
        offset = self._noise_offsets[frame]
        noise = self._noise[:, offset : offset + self.recipe.width, None]
        image = image * (255 * self._camera.gain[frame]) + noise
        return np.clip(image + 0.5, 0, 255).astype(np.uint8), self._truth(frame)

    def _expose(self, moment: float) -> np.ndarray:
        """Return the light that arrives at one instant, (height, width, 3) float32 in [0, 1]."""
        zoom, shift = self._view(moment)
        image = self._warp_layer(self._backdrop, zoom, shift, cv2.BORDER_REFLECT_101)
        for i in range(len(self.labels)):
            patch, layer = self._place(i, moment, zoom, shift)
            if layer is not None:
                image[patch] = image[patch] * (1 - layer[..., 3:]) + layer[..., :3]
        if self._bars is not None:
            bars = self._warp_layer(self._bars, zoom, shift)
            image = image * (1 - bars[..., 3:]) + bars[..., :3]
        return image

    def _truth(self, frame: int) -> FrameTruth:
        zoom, shift = self._view(frame)
        shape = self.recipe.height, self.recipe.width
        hidden: np.ndarray = np.zeros(shape, bool)
        if self._bars is not None:
            hidden = self._warp_layer(self._bars[..., 3], zoom, shift) > 0.5
        seen = np.zeros((len(self.labels), *shape), bool)
        full_area = np.zeros(len(self.labels))
        for i in reversed(range(len(self.labels))):
            patch, layer = self._place(i, frame, zoom, shift)
            full_area[i] = self._full_area(i, frame, zoom)
            if layer is None:
                continue
            solid = layer[..., 3] > 0.5
            seen[i][patch] = solid & ~hidden[patch]
            hidden[patch] |= solid
        area = seen.sum(axis=(1, 2))
        bboxes = np.stack([_hull(mask) for mask in seen])
        sides = bboxes[:, 2:] - bboxes[:, :2]
        annotated = (
            (area >= MIN_VISIBLE_FRACTION * full_area)
            & (area >= MIN_VISIBLE_AREA)
            & (sides.min(axis=1) >= MIN_VISIBLE_SIDE)
        )
        chosen = np.flatnonzero(annotated)
        glimpsed = frozenset(int(label) for label in self.labels[(area > 0) & ~annotated])
        return FrameTruth(chosen, bboxes[chosen], seen[chosen], glimpsed)

    def _view(self, moment: float) -> tuple[float, np.ndarray]:
        """Return zoom and translation of world-to-image coordinates at one instant."""
        camera: Camera = self._camera
        zoom = float(_at(camera.zoom, moment))
        middle = np.array([self.recipe.width, self.recipe.height]) / 2
        return zoom, middle * (1 - zoom) + _at(camera.shift, moment)

    def _warp_layer(
        self, layer: np.ndarray, zoom: float, shift: np.ndarray, border: int = cv2.BORDER_CONSTANT
    ) -> np.ndarray:
        """View a layer that covers the frame plus a margin of `_MARGIN` pixels on every side."""
        offset = shift - _MARGIN * zoom + 0.5 * zoom - 0.5
        matrix = np.array([[zoom, 0, offset[0]], [0, zoom, offset[1]]])
        size = self.recipe.width, self.recipe.height
        return cv2.warpAffine(layer, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)

    def _place(
        self, i: int, moment: float, zoom: float, shift: np.ndarray
    ) -> tuple[tuple[slice, slice], np.ndarray | None]:
        """Warp object i to the image: the patch it may touch and its (h, w, 4) layer there.

        The layer is None where the object lies outside the image.
        """
        paths: Paths = self._paths
        centre = zoom * _at(paths.centres[:, i], moment) + shift
        radius = zoom * float(_at(paths.sizes[:, i], moment)) / 2
        angle = float(_at(paths.angles[:, i], moment))
        reach = radius * SPRITE_EXTENT * np.sqrt(2)
        limit = np.array([self.recipe.width, self.recipe.height])
        low = np.clip(np.floor(centre - reach), 0, limit).astype(int)
        high = np.clip(np.ceil(centre + reach), 0, limit).astype(int)
        patch = slice(low[1], high[1]), slice(low[0], high[0])
        if np.any(high <= low):
            return patch, None
        diameter = 2 * radius * SPRITE_EXTENT
        sprite = next(
            (s for s in self._sprites[i][::-1] if len(s) >= diameter), self._sprites[i][0]
        )
        scale = diameter / len(sprite)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        # Pixel centres lie at integers for OpenCV and at halves in continuous coordinates.
        offset = centre - low - 0.5 - turn @ np.full(2, (len(sprite) - 1) / 2)
        matrix = np.column_stack([turn, offset])
        width, height = (high - low).tolist()
        return patch, cv2.warpAffine(sprite, matrix, (width, height), flags=cv2.INTER_LINEAR)

    def _full_area(self, i: int, frame: int, zoom: float) -> float:
        sprite = self._sprites[i][0]
        scale = zoom * self._paths.sizes[frame, i] * SPRITE_EXTENT / len(sprite)
        return float(np.count_nonzero(sprite[..., 3] > 0.5)) * scale**2


def _draw_labels(rng: np.random.Generator, recipe: SceneRecipe) -> np.ndarray:
    """Draw the class of every object: "c" classes half as often as "f", some classes repeated."""
    classes = compositions()
    base = np.array([{"f": 1.0, "c": 0.5, "r": 0.0}[c.frequency] for c in classes])
    novel = np.array([float(c.novel) for c in classes])
    weights = (
        1 - recipe.novel_share
    ) * base / base.sum() + recipe.novel_share * novel / novel.sum()
    labels: list[int] = []
    for _ in range(rng.integers(recipe.min_objects, recipe.max_objects + 1)):
        if labels and rng.random() < recipe.lookalikes:
            labels.append(int(rng.choice(labels)))
        else:
            labels.append(int(rng.choice(len(classes), p=weights)))
    return np.array(labels, np.int64)[rng.permutation(len(labels))]


def _at(values: np.ndarray, moment: float) -> np.ndarray:
    """Interpolate a (T, ...) series linearly at a moment; the ends are held."""
    moment = min(max(moment, 0.0), len(values) - 1.0)
    first = int(moment)
    part = moment - first
    if part == 0:
        return values[first]
    return (1 - part) * values[first] + part * values[first + 1]


def _hull(mask: np.ndarray) -> np.ndarray:
    """Return the xyxy box around the true pixels, all zero when there is none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return np.zeros(4, np.float32)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
