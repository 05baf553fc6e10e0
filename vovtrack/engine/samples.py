"""Pictures of what the data pipeline of a config feeds to a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from mmengine.structures import BaseDataElement

from vovtrack.errors import InputError
from vovtrack.files.images import write_image
from vovtrack.registry import DATASETS
from vovtrack.structures import Vocabulary
from vovtrack.structures.points import PlacedPoints
from vovtrack.visualization import draw_tracks
from vovtrack.visualization.points import PointPainter

GAP = 4
"""Pixels between the views of a sample."""


def draw_samples(
    cfg: Config,
    out: str | Path,
    split: str = "train",
    number: int = 8,
    view_side: int = 640,
    seed: int = 0,
) -> Iterator[tuple[Path, int, int]]:
    """Draw samples as the pipeline leaves them, augmentation included.

    A sample of several images (a pair, a clip) becomes one row of views; an object, or a point
    that is followed, has one colour in all of them.

    Args:
        cfg: The config.
        out: Folder of the pictures.
        split: ``train``, ``val`` or ``test``.
        number: Samples to draw, spread evenly over the dataset.
        view_side: Views are shrunk to this longer side, pixels.
        seed: Of the augmentation.

    Yields:
        The written picture, number of views, and of objects in them.

    Raises:
        InputError: The config has no such dataset, or its samples are not images.
    """
    loader = cfg.get(f"{split}_dataloader")
    if loader is None:
        raise InputError(f"This config has no {split}_dataloader.")
    set_random_seed(seed)
    init_default_scope(cfg.get("default_scope", "mmdet"))
    dataset = DATASETS.build(loader.dataset)
    names = _class_names(dataset, loader.dataset)
    folder = Path(out)
    for index in np.unique(np.linspace(0, len(dataset) - 1, number).round().astype(int)):
        item = dataset[int(index)]
        if not isinstance(item, dict) or "data_samples" not in item:
            raise InputError(f"Samples of {type(dataset).__name__} are not images.")
        images, samples = _as_list(item["inputs"]), _as_list(item["data_samples"])
        if "gt_points" in samples[0]:
            views = list(_draw_points(images[0], samples[0], view_side))
            count = len(samples[0].queries)
        elif "gt_boxes" in samples[0]:
            views = list(_draw_boxes(images[0], samples[0], view_side))
            count = samples[0].gt_boxes[..., 0].numel()
        else:
            views = [
                _draw(image, sample, names, view_side)
                for image, sample in zip(images, samples, strict=True)
            ]
            count = sum(len(sample.get("gt_instances", ())) for sample in samples)
        path = folder / f"{index:06d}.jpg"
        write_image(path, _side_by_side(views))
        yield path, len(views), count


def _as_list(value: Any) -> Sequence:
    return value if isinstance(value, (list, tuple)) else [value]


def _class_names(dataset: Any, cfg: Mapping[str, Any]) -> Sequence[str]:
    """Class names of a dataset, or of the one that it wraps; none if it has no labels."""
    while "dataset" in cfg:
        dataset, cfg = dataset.dataset, cfg["dataset"]
    source = cfg.get("vocabulary") or getattr(dataset, "ann_file", None)
    return Vocabulary.load(source).names if source else ()


def _draw(
    image: torch.Tensor, sample: BaseDataElement, names: Sequence[str], view_side: int
) -> np.ndarray:
    """A packed image (3, H, W) BGR with its objects, (h, w, 3) RGB."""
    frame, scale = _shrunk(image.numpy().transpose(1, 2, 0)[..., ::-1], view_side)
    objects = sample.get("gt_instances")
    if objects is None or "bboxes" not in objects:
        return frame
    boxes = getattr(objects.bboxes, "tensor", objects.bboxes).numpy() * scale
    labels = objects.labels.numpy()
    identities = objects.instances_ids.numpy() if "instances_ids" in objects else None
    return draw_tracks(frame, boxes, identities, labels, None, names)


def _draw_points(
    clip: torch.Tensor, sample: BaseDataElement, view_side: int
) -> Iterator[np.ndarray]:
    """The frames of a clip (T, 3, H, W) RGB with the points that are followed, (h, w, 3) RGB."""
    painter, times = PointPainter(), sample.queries[:, 0].numpy()
    for number, image in enumerate(clip.clamp(0, 255).byte().numpy().transpose(0, 2, 3, 1)):
        frame, scale = _shrunk(image, view_side)
        points, visible = sample.gt_points[number].numpy(), sample.gt_visible[number].numpy()
        followed = times <= number
        scores = visible.astype(np.float32)
        yield painter.draw(frame, PlacedPoints(points * scale, visible, scores, followed))


def _draw_boxes(
    clip: torch.Tensor, sample: BaseDataElement, view_side: int
) -> Iterator[np.ndarray]:
    """The frames of a clip (T, 3, H, W) RGB with the box of their only target, or with several.

    Boxes are (T, 4), or (T, N, 4) with identities ``gt_ids`` (T, N).

    Yields:
        (h, w, 3) RGB.
    """
    frames = clip.clamp(0, 255).byte().numpy().transpose(0, 2, 3, 1)
    for number, (image, boxes) in enumerate(zip(frames, sample.gt_boxes.numpy(), strict=True)):
        frame, scale = _shrunk(image, view_side)
        boxes = np.atleast_2d(boxes) * scale
        identities = sample.gt_ids[number].numpy() if "gt_ids" in sample else None
        labels = np.zeros(len(boxes), np.int64)
        yield draw_tracks(frame, boxes, identities, labels, None, ("target",))


def _shrunk(image: np.ndarray, view_side: int) -> tuple[np.ndarray, float]:
    """An image whose longer side is at most ``view_side``, and the factor."""
    scale = min(1.0, view_side / max(image.shape[:2]))
    frame = np.ascontiguousarray(image)
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale


def _side_by_side(views: Sequence[np.ndarray]) -> np.ndarray:
    height = max(view.shape[0] for view in views)
    padded = [np.pad(v, ((0, height - v.shape[0]), (0, GAP), (0, 0))) for v in views]
    return np.concatenate(padded, axis=1)[:, :-GAP]
