"""A scene: objects on a background in front of a camera, rendered with exact ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from vovtrack.synthetic.appearance import (
    SPRITE_EXTENT,
    Look,
    draw_look,
    draw_sprite,
    outline_of,
    sprite_pyramid,
)
from vovtrack.synthetic.backdrop import draw_backdrop, draw_bars
from vovtrack.synthetic.classes import compositions
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.motion import LARGEST, SMALLEST, film, walk
from vovtrack.synthetic.outlines import outline_area
from vovtrack.synthetic.truth import BACKGROUND, COVER, FrameTruth

_MARGIN = 40
_SOFT_EDGE = 2.0  # pixels by which interpolation widens an outline


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
        shifted: Use the other backgrounds, stronger blur and dimmer light of the raw clips.
        dials: Difficulties; they multiply what is above.
    """

    num_frames: int
    width: int
    height: int
    novel_share: float = 0.0
    min_objects: int = 3
    max_objects: int = 7
    lookalikes: float = 0.25
    shifted: bool = False
    dials: Dials = field(default_factory=Dials)


class Scene:
    """One scene drawn from one random generator.

    Args:
        rng: The scene's own generator; two scenes never share one.
        recipe: What to draw.

    Attributes:
        labels: (N,) int64 class of every object; label = position in `compositions()`. Later
            objects are nearer to the camera.
        width: Frame width in pixels.
        height: Frame height in pixels.
        num_frames: Number of frames.
    """

    def __init__(self, rng: np.random.Generator, recipe: SceneRecipe) -> None:
        self.width, self.height = recipe.width, recipe.height
        self.num_frames = recipe.num_frames
        self._shape = recipe.height, recipe.width
        dials = recipe.dials
        self.labels, looks = _draw_cast(rng, recipe)
        self._outlines, self._sprites = [], []
        for label, look in zip(self.labels, looks, strict=True):
            composition = compositions()[label]
            self._outlines.append(outline_of(composition, look))
            self._sprites.append(sprite_pyramid(draw_sprite(composition, look)))
        self._alphas = [[np.ascontiguousarray(s[..., 3]) for s in p] for p in self._sprites]
        self._own_reach = [float(np.hypot(*outline.T).max()) for outline in self._outlines]
        self._own_areas = np.array([outline_area(outline) for outline in self._outlines])
        scale = max(1.0, min(self.width / 256, self.height / 192))
        smallest, largest = np.log(1.3 * SMALLEST * scale), np.log(0.8 * LARGEST * scale)
        sizes = np.exp(rng.uniform(smallest, largest, len(self.labels)))
        self._paths = walk(
            rng, self.num_frames, sizes, self.width, self.height, dials.speed, dials.reentry
        )
        exposure, gain = _draw_light(rng, recipe.shifted, dials)
        self._camera = film(
            rng, self.num_frames, self.width, exposure, gain, dials.drift, dials.shake
        )
        canvas = self.width + 2 * _MARGIN, self.height + 2 * _MARGIN
        self._backdrop = draw_backdrop(rng, *canvas, recipe.shifted, dials)
        bars = rng.poisson(0.8 * dials.occlusion)
        breadth = max(1.0, dials.occlusion**0.5)
        self._bars = draw_bars(rng, *canvas, bars, breadth) if bars else None
        self._noise = rng.normal(0, rng.uniform(0.5, 2.5), (self.height, self.width + 64))
        self._noise = self._noise.astype(np.float32)
        self._noise_offsets = rng.integers(0, 64, self.num_frames)

    def render(self, frame: int) -> tuple[np.ndarray, FrameTruth]:
        """Render one frame.

        Returns:
            The image, (height, width, 3) uint8 RGB, and its ground truth at mid-exposure.
        """
        truth = self.truth_of(frame)
        moments = self._camera.moments(frame, truth.blur)
        image = self._expose(moments[0])
        for moment in moments[1:]:
            image += self._expose(moment)
        image *= (255 / len(moments)) * self._camera.gain[frame].astype(np.float32)
        offset = self._noise_offsets[frame]
        image += self._noise[:, offset : offset + self.width, None] + 0.5
        return np.clip(image, 0, 255, out=image).astype(np.uint8), truth

    def truth_of(self, frame: int) -> FrameTruth:
        """Return the ground truth of one frame without painting it."""
        motion = self._motion(frame)
        layers = np.full(self._shape, BACKGROUND, np.int16)
        for i, placed in enumerate(motion):
            patch, sprite = self._place(i, placed, alpha_only=True)
            if sprite is not None:
                layers[patch][sprite > 0.5] = i
        view = self._view(frame)
        if self._bars is not None:
            layers[self._warp_layer(self._bars[..., 3], view) > 0.5] = COVER
        wholes = [o @ m[:, :2].T + m[:, 2] for o, m in zip(self._outlines, motion, strict=True)]
        boxes = [np.concatenate([whole.min(axis=0), whole.max(axis=0)]) for whole in wholes]
        half = self._camera.exposure / 2
        path = self._motion(frame + half)[:, :, 2] - self._motion(frame - half)[:, :, 2]
        return FrameTruth(
            layers=layers,
            motion=motion,
            background_motion=np.column_stack([np.eye(2) * view[0], view[1]]),
            whole_bboxes=np.array(boxes, np.float32).reshape(-1, 4),
            whole_areas=self._own_areas * np.abs(np.linalg.det(motion[:, :, :2])),
            blur=np.hypot(*path.T).astype(np.float32),
            light=float(self._camera.gain[frame].mean()),
        )

    def _expose(self, moment: float) -> np.ndarray:
        """Return the light that arrives at one instant, (height, width, 3) float32 in [0, 1]."""
        view = self._view(moment)
        image = self._warp_layer(self._backdrop, view, cv2.BORDER_REFLECT_101)
        for i, placed in enumerate(self._motion(moment)):
            patch, sprite = self._place(i, placed)
            if sprite is not None:
                _lay_over(image[patch], sprite)
        if self._bars is not None:
            _lay_over(image, self._warp_layer(self._bars, view))
        return image

    def _view(self, moment: float) -> tuple[float, np.ndarray]:
        """Return zoom and translation of world-to-image coordinates at one instant."""
        zoom = float(_at(self._camera.zoom, moment))
        middle = np.array([self.width, self.height]) / 2
        return zoom, middle * (1 - zoom) + _at(self._camera.shift, moment)

    def _motion(self, moment: float) -> np.ndarray:
        """Return the maps from own coordinates to the image at one instant, (N, 2, 3)."""
        zoom, shift = self._view(moment)
        centres = zoom * _at(self._paths.centres, moment) + shift
        radii = zoom * _at(self._paths.sizes, moment) / 2
        angles = _at(self._paths.angles, moment)
        cos, sin = np.cos(angles) * radii, np.sin(angles) * radii
        rows = [np.stack([cos, -sin, centres[:, 0]], 1), np.stack([sin, cos, centres[:, 1]], 1)]
        return np.stack(rows, axis=1)

    def _warp_layer(
        self,
        layer: np.ndarray,
        view: tuple[float, np.ndarray],
        border: int = cv2.BORDER_CONSTANT,
    ) -> np.ndarray:
        """View a layer that covers the frame plus a margin of `_MARGIN` pixels on every side."""
        zoom, shift = view
        offset = shift - _MARGIN * zoom + 0.5 * zoom - 0.5
        matrix = np.array([[zoom, 0, offset[0]], [0, zoom, offset[1]]])
        size = self.width, self.height
        return cv2.warpAffine(layer, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)

    def _place(
        self, i: int, motion: np.ndarray, alpha_only: bool = False
    ) -> tuple[tuple[slice, slice], np.ndarray | None]:
        """Warp object i to the image: the patch it may touch and its (h, w, 4) layer there.

        The layer is None where the object lies outside the image; with ``alpha_only`` it is the
        (h, w) alpha alone.
        """
        radius = float(np.hypot(*motion[:, 0]))
        reach = radius * self._own_reach[i] + _SOFT_EDGE
        limit = self.width, self.height
        low = np.clip(np.floor(motion[:, 2] - reach), 0, limit).astype(int)
        high = np.clip(np.ceil(motion[:, 2] + reach), 0, limit).astype(int)
        patch = slice(low[1], high[1]), slice(low[0], high[0])
        if np.any(high <= low):
            return patch, None
        diameter = 2 * radius * SPRITE_EXTENT
        pyramid = (self._alphas if alpha_only else self._sprites)[i]
        sprite = next((s for s in pyramid[::-1] if len(s) >= diameter), pyramid[0])
        turn = motion[:, :2] * (2 * SPRITE_EXTENT / len(sprite))
        # Pixel centres lie at integers for OpenCV and at halves in continuous coordinates.
        offset = motion[:, 2] - low - 0.5 - turn @ np.full(2, (len(sprite) - 1) / 2)
        matrix = np.column_stack([turn, offset])
        size = int(high[0] - low[0]), int(high[1] - low[1])
        return patch, cv2.warpAffine(sprite, matrix, size, flags=cv2.INTER_LINEAR)


def _lay_over(image: np.ndarray, layer: np.ndarray) -> None:
    """Paint a layer of premultiplied RGB and alpha on an image, in place."""
    # OpenCV multiplies whole pixels several times faster than numpy spreads alpha over channels.
    alpha = cv2.cvtColor(layer[..., 3], cv2.COLOR_GRAY2RGB)
    image -= cv2.multiply(image, alpha)
    image += cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB)


def _draw_light(rng: np.random.Generator, shifted: bool, dials: Dials) -> tuple[float, float]:
    """Return the exposure of a video and its mean brightness."""
    blurred = rng.random() < (0.7 if shifted else 0.3) * dials.blur
    exposure = min(1.0, rng.uniform(0.3, 0.7) * max(1.0, dials.blur)) if blurred else 0.0
    dark = rng.random() < (0.3 if shifted else 0.12) * dials.darkness
    bright = rng.uniform(0.6, 0.95) if shifted else rng.uniform(0.85, 1.15)
    return exposure, rng.uniform(0.25, 0.42) if dark else bright


def _draw_cast(rng: np.random.Generator, recipe: SceneRecipe) -> tuple[np.ndarray, list[Look]]:
    """Draw class and look of every object: "c" classes half as often as "f", some repeated."""
    classes, dials = compositions(), recipe.dials
    base = np.array([{"f": 1.0, "c": 0.5, "r": 0.0}[c.frequency] for c in classes])
    novel = np.array([float(c.novel) for c in classes])
    share = recipe.novel_share
    weights = (1 - share) * base / base.sum() + share * novel / novel.sum()
    count = round(int(rng.integers(recipe.min_objects, recipe.max_objects + 1)) * dials.crowd)
    labels: list[int] = []
    looks: list[Look] = []
    for _ in range(max(1, count)):
        model = None
        if labels and rng.random() < recipe.lookalikes * dials.lookalikes:
            model = int(rng.integers(len(labels)))
            labels.append(labels[model])
        else:
            labels.append(int(rng.choice(len(classes), p=weights)))
        shared = model is not None and rng.random() < dials.shared_texture
        looks.append(
            looks[model]
            if model is not None and shared
            else draw_look(rng, classes[labels[-1]], dials.photographs, dials.tints)
        )
    order = rng.permutation(len(labels))
    return np.array(labels, np.int64)[order], [looks[i] for i in order]


def _at(values: np.ndarray, moment: float) -> np.ndarray:
    """Interpolate a (T, ...) series linearly at a moment; the ends are held."""
    moment = min(max(moment, 0.0), len(values) - 1.0)
    first = int(moment)
    part = moment - first
    if part == 0:
        return values[first]
    return (1 - part) * values[first] + part * values[first + 1]
