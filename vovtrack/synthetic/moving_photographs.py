"""Moving photographs: pieces of real photographs that move over others by known affine maps.

What there is to follow is real pixels; what is known of them is exact, as in a rendered world.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from vovtrack.errors import InputError
from vovtrack.synthetic.albums import Album
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.motion import LARGEST, SMALLEST, Camera, Paths, film, walk, wave
from vovtrack.synthetic.outlines import Outline, outline_area
from vovtrack.synthetic.photographs import crop
from vovtrack.synthetic.truth import BACKGROUND, FrameTruth

CLASS_NAME = "piece"
"""A photograph is not a class: all pieces are of this one."""
DIALS = ("speed", "reentry", "shake", "drift", "blur", "lookalikes", "crowd")
"""The dials that turn something here."""
_MARGIN = 0.2
_TRIES = 3
_SUPERSAMPLING = 4
_SOLID = 127


@dataclass(frozen=True)
class PhotoRecipe:
    """What a kind of moving photographs is made of.

    Attributes:
        num_frames: Frames to render.
        width: Frame width in pixels.
        height: Frame height in pixels.
        min_pieces: Fewest pieces.
        max_pieces: Most pieces.
        lookalikes: Probability that a piece shows the same part of the same photograph as an
            earlier one; only its outline and motion are its own.
        blurred: Share of videos whose exposure is long.
        stretch: Largest change of the ratio of width to height, as a logarithm.
        shear: Largest shear of a piece.
        roll: Largest rotation of the camera, radians.
        noise: Largest standard deviation of the noise of the sensor, in grey levels.
        dials: Difficulties; they multiply what is above.

    Raises:
        InputError: A dial is turned that is not in `DIALS`.
    """

    num_frames: int = 40
    width: int = 256
    height: int = 192
    min_pieces: int = 4
    max_pieces: int = 8
    lookalikes: float = 0.25
    blurred: float = 0.3
    stretch: float = 0.15
    shear: float = 0.15
    roll: float = 0.08
    noise: float = 2.5
    dials: Dials = field(default_factory=Dials)

    def __post_init__(self) -> None:
        for dial in fields(Dials):
            if dial.name not in DIALS and getattr(self.dials, dial.name) != dial.default:
                raise InputError(
                    f"The dial '{dial.name}' turns nothing in moving photographs; those that do: "
                    f"{', '.join(DIALS)}."
                )


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a photograph; the middle of its pixels is the origin of its own coordinates.

    Attributes:
        picture: (S, S, 3) uint8 RGB, also outside of the outline.
        outline: (K, 2) float64 closed polygon in own coordinates, whose unit is a pixel.
        layer: (S, S, 4) uint8, RGB multiplied by alpha, then alpha.
        alpha: (S, S) uint8, the part of every pixel that lies inside of the outline.
    """

    picture: NDArray[np.uint8]
    outline: Outline
    layer: NDArray[np.uint8]
    alpha: NDArray[np.uint8]

    @staticmethod
    def cut(picture: NDArray[np.uint8], outline: Outline) -> Piece:
        """Cut a picture along an outline."""
        side = len(picture)
        mask: NDArray[np.uint8] = np.zeros((side * _SUPERSAMPLING,) * 2, np.uint8)
        # Pixel centres lie at integers for OpenCV and at halves in continuous coordinates.
        points = (outline + side / 2) * _SUPERSAMPLING - 0.5
        cv2.fillPoly(mask, [np.round(points * 256).astype(np.int32)], 255, shift=8)
        alpha = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
        colour = cv2.multiply(picture, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB), scale=1 / 255)
        return Piece(picture, outline, np.dstack([colour, alpha]), np.asarray(alpha, np.uint8))


class MovingPhotographs:
    """One video of moving photographs, drawn from one random generator.

    Args:
        rng: The video's own generator; two videos never share one.
        album: Where the photographs come from.
        recipe: What to draw.

    Attributes:
        labels: (N,) int64, all zero. Later pieces are nearer to the camera.
        width: Frame width in pixels.
        height: Frame height in pixels.
        num_frames: Number of frames.
        pieces: The N pieces.
        background: (H', W', 3) uint8 RGB. The origin of its own coordinates is its middle; it
            continues as its mirror image beyond its borders.
    """

    def __init__(
        self, rng: np.random.Generator, album: Album, recipe: PhotoRecipe | None = None
    ) -> None:
        recipe = recipe or PhotoRecipe()
        self.width, self.height = recipe.width, recipe.height
        self.num_frames, dials = recipe.num_frames, recipe.dials
        behind = str(rng.choice(album.names))
        margin = 2 * round(_MARGIN * max(self.width, self.height))
        canvas = self.width + margin, self.height + margin
        self.background = crop(rng, album.read(behind), *canvas)
        drawn = rng.integers(recipe.min_pieces, recipe.max_pieces + 1)
        count = max(1, round(int(drawn) * dials.crowd))
        self.labels = np.zeros(count, np.int64)
        scale = max(1.0, min(self.width / 256, self.height / 192))
        smallest, largest = np.log(1.3 * SMALLEST * scale), np.log(0.8 * LARGEST * scale)
        sizes = np.exp(rng.uniform(smallest, largest, count))
        self.pieces = list(_cut_pieces(rng, album, behind, sizes, recipe))
        self._areas = np.array([outline_area(piece.outline) for piece in self.pieces])
        frame = self.width, self.height
        paths = walk(rng, self.num_frames, sizes, *frame, dials.speed, dials.reentry)
        blurred = rng.random() < recipe.blurred * dials.blur
        exposure = min(1.0, rng.uniform(0.3, 0.7) * max(1.0, dials.blur)) if blurred else 0.0
        self._camera = film(
            rng, self.num_frames, self.width, exposure, 1.0, dials.drift, dials.shake
        )
        self._motion = self._choreograph(rng, paths, sizes, recipe)
        strength = rng.uniform(0.2, 1) * recipe.noise
        grain = rng.normal(0, strength, (self.height, self.width + 64))
        self._noise = grain.astype(np.float32)
        self._noise_offsets = rng.integers(0, 64, self.num_frames)

    def render(self, frame: int) -> tuple[NDArray[np.uint8], FrameTruth]:
        """Render one frame.

        Returns:
            The image, (height, width, 3) uint8 RGB, and its ground truth at mid-exposure.
        """
        truth = self.truth_of(frame)
        moments = self._camera.moments(frame, truth.blur)
        light: NDArray[np.float32] = np.zeros((self.height, self.width, 3), np.float32)
        for moment in moments:
            cv2.accumulate(self._expose(moment), light)
        offset = self._noise_offsets[frame]
        light *= self._camera.gain[frame].astype(np.float32) / len(moments)
        light += self._noise[:, offset : offset + self.width, None] + 0.5
        return np.clip(light, 0, 255, out=light).astype(np.uint8), truth

    def truth_of(self, frame: int) -> FrameTruth:
        """Return the ground truth of one frame without painting it."""
        background_motion, motion = self._motion[frame, 0], self._motion[frame, 1:]
        layers: NDArray[np.int16] = np.full((self.height, self.width), BACKGROUND, np.int16)
        wholes = []
        for i, (piece, place) in enumerate(zip(self.pieces, motion, strict=True)):
            whole = _box(_moved(piece.outline, place))
            wholes.append(whole)
            patch = self._patch(whole)
            if patch is not None:
                layers[patch][_warp(piece.alpha, place, patch) > _SOLID] = i
        half = self._camera.exposure / 2
        path = self._at(frame + half)[1:, :, 2] - self._at(frame - half)[1:, :, 2]
        return FrameTruth(
            layers=layers,
            motion=motion,
            background_motion=background_motion,
            whole_bboxes=np.array(wholes, np.float32),
            whole_areas=self._areas * np.abs(np.linalg.det(motion[:, :, :2])),
            blur=np.hypot(*path.T).astype(np.float32),
            light=float(self._camera.gain[frame].mean()),
        )

    def _expose(self, moment: float) -> NDArray[np.uint8]:
        """Return the light that arrives at one instant, (height, width, 3) uint8."""
        background_motion, *motion = self._at(moment)
        everything = slice(0, self.height), slice(0, self.width)
        image = _warp(self.background, background_motion, everything, cv2.BORDER_REFLECT_101)
        for piece, place in zip(self.pieces, motion, strict=True):
            patch = self._patch(_box(_moved(piece.outline, place)))
            if patch is not None:
                _lay_over(image[patch], _warp(piece.layer, place, patch))
        return image

    def _choreograph(
        self, rng: np.random.Generator, paths: Paths, sizes: NDArray, recipe: PhotoRecipe
    ) -> NDArray[np.float64]:
        """Return the maps from own coordinates to the image, (T, 1 + N, 2, 3), background first."""
        num_frames, count = paths.sizes.shape
        time = np.arange(num_frames)[:, None]
        stretch = wave(rng, time, count, recipe.stretch)
        shear = wave(rng, time, count, recipe.shear)
        tilt = np.zeros((num_frames, count, 2, 2))
        tilt[..., 0, 0], tilt[..., 0, 1] = np.exp(stretch / 2), shear
        tilt[..., 1, 1] = np.exp(-stretch / 2)
        turned = _turn(paths.angles, paths.sizes / sizes) @ tilt
        middle = np.array([self.width, self.height]) / 2
        placed = np.concatenate([turned, paths.centres[..., None]], axis=-1)
        still = np.broadcast_to(np.column_stack([np.eye(2), middle]), (num_frames, 1, 2, 3))
        world = np.concatenate([still, placed], axis=1)
        camera: Camera = self._camera
        view = _turn(wave(rng, time, 1, recipe.roll), camera.zoom[:, None])
        world[..., 2] -= middle
        motion = view @ world
        motion[..., 2] += middle + camera.shift[:, None]
        return motion

    def _at(self, moment: float) -> NDArray[np.float64]:
        """Maps at one instant, (1 + N, 2, 3); between two frames every map is in between."""
        moment = min(max(moment, 0.0), self.num_frames - 1.0)
        first = int(moment)
        part = moment - first
        if part == 0:
            return self._motion[first]
        return (1 - part) * self._motion[first] + part * self._motion[first + 1]

    def _patch(self, whole: NDArray[np.float64]) -> tuple[slice, slice] | None:
        """Rows and columns of the image that a piece may touch; None where it is outside."""
        # Interpolation widens an outline by up to a pixel.
        left, top = np.maximum(np.floor(whole[:2] - 1), 0).astype(int).tolist()
        right, bottom = np.ceil(whole[2:] + 1).astype(int).tolist()
        rows, columns = slice(top, min(bottom, self.height)), slice(left, min(right, self.width))
        empty = rows.stop <= rows.start or columns.stop <= columns.start
        return None if empty else (rows, columns)


def _cut_pieces(
    rng: np.random.Generator,
    album: Album,
    behind: str,
    sizes: NDArray[np.float64],
    recipe: PhotoRecipe,
) -> Iterator[Piece]:
    """Cut pieces of some diameters, where possible from photographs that are not behind them."""
    names = [name for name in album.names if name != behind] or [behind]
    pictures: list[NDArray[np.uint8]] = []
    for size in sizes:
        side = ceil(size) + 2
        if pictures and rng.random() < recipe.lookalikes * recipe.dials.lookalikes:
            picture = pictures[rng.integers(len(pictures))]
            size = min(size, len(picture) - 2)
        else:
            photograph = album.read(str(rng.choice(names)))
            tries = [crop(rng, photograph, side, side) for _ in range(_TRIES)]
            picture = max(tries, key=_detail)
        pictures.append(picture)
        yield Piece.cut(picture, _draw_outline(rng, size))


def _detail(picture: NDArray[np.uint8]) -> float:
    """Mean difference of neighbouring pixels."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.int16)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())


def _draw_outline(rng: np.random.Generator, diameter: float) -> Outline:
    """Draw a smooth, irregular closed outline around the origin, (96, 2)."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    order = np.arange(2, 6)[:, None]
    phase, strength = rng.uniform(0, 2 * np.pi, order.shape), rng.uniform(0, 0.7, order.shape)
    radius = np.exp((strength / order * np.cos(order * angle + phase)).sum(axis=0))
    return (
        np.stack([np.cos(angle), np.sin(angle)], axis=1)
        * (radius * diameter / 2 / radius.max())[:, None]
    )


def _turn(angles: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations with scale, (..., 2, 2)."""
    cos, sin = np.cos(angles) * scales, np.sin(angles) * scales
    return np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)


def _moved(outline: Outline, motion: NDArray[np.float64]) -> NDArray[np.float64]:
    return outline @ motion[:, :2].T + motion[:, 2]


def _box(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _warp(
    picture: NDArray[np.uint8],
    motion: NDArray[np.float64],
    patch: tuple[slice, slice],
    border: int = cv2.BORDER_CONSTANT,
) -> NDArray[np.uint8]:
    """View a picture, the middle of which is the origin of ``motion``, in a patch of the image."""
    rows, columns = patch
    middle = np.array([picture.shape[1], picture.shape[0]]) / 2
    # Pixel centres lie at integers for OpenCV and at halves in continuous coordinates.
    offset = motion[:, 2] - (columns.start, rows.start) - 0.5 + motion[:, :2] @ (0.5 - middle)
    size = columns.stop - columns.start, rows.stop - rows.start
    matrix = np.column_stack([motion[:, :2], offset])
    warped = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(warped, np.uint8)


def _lay_over(image: NDArray[np.uint8], layer: NDArray[np.uint8]) -> None:
    """Paint a layer of premultiplied RGB and alpha on an image, in place."""
    alpha = cv2.cvtColor(cv2.extractChannel(layer, 3), cv2.COLOR_GRAY2RGB)
    shadow = cv2.subtract(image, cv2.multiply(image, alpha, scale=1 / 255))
    cv2.add(shadow, cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), dst=image)
