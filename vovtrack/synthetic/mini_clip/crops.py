"""Crops around the objects of rendered scenes, and the states in which they are seen."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.files.images import decode_image, encode_image
from vovtrack.synthetic.classes import compositions
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.mini_clip.views import STORED_CONTEXT
from vovtrack.synthetic.scene import Scene, SceneRecipe
from vovtrack.synthetic.states import STATES, measures_of, states_of

_HARD = Dials(blur=2.0, darkness=3.0, occlusion=1.5, reentry=1.5)
_HARD_SHARE = 0.4
_FRAMES = (0, 6, 12)
_WIDTH, _HEIGHT = 256, 192
_JPEG_QUALITY = 92


@dataclass(frozen=True)
class Crops:
    """Square crops around objects.

    Attributes:
        images: (N, 4, S, S) uint8 RGB and mask, 255 where the object is seen; the box's longer
            side fills 1 / 1.6 of S.
        labels: (N,) int64 positions in `names`.
        states: (N, 5) bool, which words of `vovtrack.synthetic.states.STATES` apply.
        names: Class names.
        novel: (C,) bool, classes that training must not show.
    """

    images: Tensor
    labels: Tensor
    states: Tensor
    names: tuple[str, ...]
    novel: Tensor


def render_crops(
    seed: int, scenes: int, novel_share: float = 0.0, size: int = 72, workers: int = 1
) -> Crops:
    """Render scenes and cut every annotated object out of three frames of each.

    Some scenes are harder than those of a world, so that every state is seen often. The same
    arguments give the same crops, whatever the number of workers.

    Args:
        seed: Seed of the scenes, >= 0.
        scenes: How many.
        novel_share: Part of the objects that are of novel classes; 0 for training.
        size: S, side of the crops in pixels.
        workers: Processes to use. A script that uses more than one must call this under
            ``if __name__ == "__main__":``.

    Raises:
        InputError: Fewer than one scene or worker, or a negative seed.
    """
    for name, value, least in (("seed", seed, 0), ("scenes", scenes, 1), ("workers", workers, 1)):
        if value < least:
            raise InputError(f"{name} must be {least} or more, not {value}")
    cut = partial(_cut_scene, seed, novel_share, size)
    if workers == 1:
        parts = [cut(index) for index in range(scenes)]
    else:
        # Forking a process that has threads (torch, OpenCV) can hang, so workers start afresh.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, partial(cv2.setNumThreads, 0)) as pool:
            parts = list(pool.map(cut, range(scenes), chunksize=8))
    images, labels, states = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Crops(
        images=torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
        labels=torch.from_numpy(labels),
        states=torch.from_numpy(states),
        names=tuple(composition.name for composition in compositions()),
        novel=torch.tensor([composition.novel for composition in compositions()]),
    )


def _cut_scene(
    seed: int, novel_share: float, size: int, index: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images (N, S, S, 4), labels (N,) and states (N, 5) of one scene's objects."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    dials = _HARD if rng.random() < _HARD_SHARE else Dials()
    recipe = SceneRecipe(_FRAMES[-1] + 1, _WIDTH, _HEIGHT, novel_share, dials=dials)
    scene = Scene(rng, recipe)
    images: list[np.ndarray] = [np.zeros((0, size, size, 4), np.uint8)]
    labels: list[int] = []
    states: list[list[bool]] = []
    for frame in _FRAMES:
        pixels, truth = scene.render(frame)
        packed = encode_image(pixels, ".jpg", _JPEG_QUALITY)
        pixels = cv2.cvtColor(decode_image(packed, "a rendered frame"), cv2.COLOR_BGR2RGB)
        for item in truth.annotated.tolist():
            mask = truth.mask(item) * np.uint8(255)
            images.append(cut_crop(pixels, mask, truth.bboxes[item].tolist(), size)[None])
            labels.append(int(scene.labels[item]))
            words = states_of(**measures_of(truth, item))
            states.append([state in words for state in STATES])
    return (
        np.concatenate(images),
        np.array(labels, np.int64),
        np.array(states, bool).reshape(-1, len(STATES)),
    )


def cut_crop(pixels: np.ndarray, mask: np.ndarray, bbox: Sequence[float], size: int) -> np.ndarray:
    """Cut a square of 1.6 times the longer box side.

    Outside of the image its border is repeated, and the mask is empty.

    Args:
        pixels: (H, W, 3) uint8.
        mask: (H, W) uint8.
        bbox: (x1, y1, x2, y2) in image pixels.
        size: S.

    Returns:
        (S, S, 4) uint8, pixels and mask.
    """
    x1, y1, x2, y2 = bbox
    scale = size / (max(x2 - x1, y2 - y1, 1.0) * STORED_CONTEXT)
    # OpenCV puts pixel centres at whole numbers.
    matrix = np.array(
        [
            [scale, 0, size / 2 - scale * ((x1 + x2) / 2 - 0.5) - 0.5],
            [0, scale, size / 2 - scale * ((y1 + y2) / 2 - 0.5) - 0.5],
        ]
    )
    square = size, size
    return np.dstack(
        [
            cv2.warpAffine(pixels, matrix, square, borderMode=cv2.BORDER_REPLICATE),
            cv2.warpAffine(mask, matrix, square),
        ]
    )
