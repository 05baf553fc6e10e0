"""Pictures of how trackable the objects of an image look to a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from detpro.models import OpenVocabDetector
from vovtrack.datasets.frame_pipeline import FramePipeline
from vovtrack.errors import InputError
from vovtrack.files.images import read_image, write_image
from vovtrack.visualization.draw import draw_states

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def draw_state_images(
    model: OpenVocabDetector,
    source: str | Path,
    out: str | Path,
    pipeline: FramePipeline,
    score_thr: float = 0.3,
) -> Iterator[tuple[Path, int, float]]:
    """Paint the detections of images by their state weight.

    Args:
        model: A detector with ``judge_states``.
        source: An image, or a folder of images.
        out: Folder to write pictures of the same names to.
        pipeline: Makes the network's input from an image.
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
        view = {name: [value] for name, value in pipeline(pixels).items()}
        data = model.data_preprocessor(view, False)
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
        raise InputError(f"'{source}' is neither an image nor a folder of images.")
    return images
