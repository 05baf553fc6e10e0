"""Pictures of how trackable the objects of an image look to a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmcv import imrescale
from mmdet.structures import DetDataSample
from torch import nn

from vovtrack.errors import InputError
from vovtrack.files.images import read_image, write_image
from vovtrack.visualization.draw import draw_states

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def draw_state_images(
    model: nn.Module,
    source: str | Path,
    out: str | Path,
    scale: tuple[int, int],
    score_thr: float = 0.3,
) -> Iterator[tuple[Path, int, float]]:
    """Paint the detections of images by their state weight.

    Args:
        model: A detector with ``judge_states``.
        source: An image, or a folder of images.
        out: Folder to write pictures of the same names to.
        scale: (long, short) side limits of the network input, pixels.
        score_thr: Detections below are not drawn.

    Yields:
        The written picture, number of objects, and their mean weight.

    Raises:
        InputError: No or unreadable images, or a model without state attention.
    """
    if not hasattr(model, "judge_states"):
        raise InputError(f"A {type(model).__name__} judges no states: use a config of stage 2.")
    folder = Path(out)
    for path in _images(Path(source)):
        pixels = read_image(path)
        height, width = pixels.shape[:2]
        resized = imrescale(pixels, scale)
        sample = DetDataSample(
            metainfo=dict(
                ori_shape=(height, width),
                img_shape=resized.shape[:2],
                scale_factor=(resized.shape[1] / width, resized.shape[0] / height),
            )
        )
        inputs = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
        data = model.data_preprocessor(dict(inputs=[inputs], data_samples=[sample]), False)
        (found,) = model.judge_states(data["inputs"], data["data_samples"])
        found = found[found.scores > score_thr].cpu()
        weights = found.state_weights.numpy()
        picture = draw_states(pixels[..., ::-1].copy(), found.bboxes.numpy(), weights)
        target = folder / f"{path.stem}.png"
        write_image(target, picture)
        yield target, len(found), float(weights.mean()) if len(found) else float("nan")


def _images(source: Path) -> list[Path]:
    files = [source] if source.is_file() else sorted(source.glob("*")) if source.is_dir() else []
    images = [path for path in files if path.suffix.lower() in IMAGE_ENDINGS]
    if not images:
        raise InputError(f"'{source}' is no image and no folder of images.")
    return images
