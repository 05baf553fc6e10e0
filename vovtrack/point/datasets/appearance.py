"""How a clip looks: boxes that hide points, colours and blur."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import ColorJitter, GaussianBlur

from vovtrack.registry import TRANSFORMS

COLOURS = MappingProxyType(dict(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.25 / 3.14))
"""How far colours change; the released code writes 3.14 where pi is meant."""
Frames = list[NDArray]
Box = tuple[slice, slice]


class _RandomBoxes(BaseTransform):
    """Puts boxes on frames other than the first one, and hides the points below them."""

    def __init__(
        self, prob: float = 0.5, max_boxes: int = 10, sides: tuple[int, int] = (2, 100)
    ) -> None:
        self.prob = prob
        self.max_boxes = max_boxes
        self.sides = sides

    def transform(self, results: dict) -> dict:
        """Change frames in place; see the class."""
        fill = self.filling(results["frames"])
        frames = [frame.astype(np.float32) for frame in results["frames"]]
        visible = results["visible"].copy()
        for number, frame in enumerate(frames[1:], start=1):
            for rows, columns in self._draw(frame):
                frame[rows, columns] = fill(frame[rows, columns])
                x, y = results["points"][:, number].T
                below = (x >= columns.start) & (x < columns.stop)
                visible[below & (y >= rows.start) & (y < rows.stop), number] = False
        results["frames"] = [frame.astype(np.uint8) for frame in frames]
        results["visible"] = visible
        return results

    def filling(self, frames: Frames) -> Callable[[NDArray], NDArray]:
        """From the (h, w, 3) pixels of a box to what is put there."""
        raise NotImplementedError

    def _draw(self, frame: NDArray) -> Iterator[Box]:
        """Rows and columns of the boxes of a frame, each drawn after the one before is used."""
        if np.random.rand() >= self.prob:
            return
        height, width = frame.shape[:2]
        for _ in range(np.random.randint(1, self.max_boxes + 1)):
            x, y = np.random.randint(0, width), np.random.randint(0, height)
            box_width, box_height = np.random.randint(*self.sides), np.random.randint(*self.sides)
            yield _span(y, box_height, height), _span(x, box_width, width)


def _span(centre: int, side: int, size: int) -> slice:
    """The pixels of a side of a box, cut at the frame."""
    edges = np.clip([centre - side / 2, centre + side / 2], 0, size - 1).round().astype(int)
    return slice(*edges.tolist())


@TRANSFORMS.register_module()
class EraseBoxes(_RandomBoxes):
    """Fills boxes with the mean of their own colours; points below them become hidden.

    Args:
        prob: Probability of boxes on a frame; the first frame has none.
        max_boxes: At most so many on a frame.
        sides: Smallest width and height of a box, and the first that is too large, pixels.
    """

    def filling(self, frames: Frames) -> Callable[[NDArray], NDArray]:
        """Give each box its mean."""
        return lambda box: box.reshape(-1, 3).mean(axis=0)


@TRANSFORMS.register_module()
class ReplaceBoxes(_RandomBoxes):
    """Fills boxes from other places and frames with other colours; points below become hidden.

    Args:
        prob: Probability of boxes on a frame; the first frame has none.
        max_boxes: At most so many on a frame.
        sides: Smallest width and height of a box, and the first that is too large, pixels.
        colours: Arguments of torchvision's ``ColorJitter``, which changes each source twice.
    """

    def __init__(
        self,
        prob: float = 0.5,
        max_boxes: int = 10,
        sides: tuple[int, int] = (2, 100),
        colours: Mapping[str, float] = COLOURS,
    ) -> None:
        super().__init__(prob, max_boxes, sides)
        self.jitter = ColorJitter(**colours)

    def filling(self, frames: Frames) -> Callable[[NDArray], NDArray]:
        """Give each box a box of the same size from the jittered clip."""
        sources = _each(_each(frames, self.jitter), self.jitter)
        height, width = frames[0].shape[:2]

        def fill(box: NDArray) -> NDArray:
            rows, columns = box.shape[:2]
            top, left = np.random.randint(0, height - rows), np.random.randint(0, width - columns)
            source = sources[np.random.randint(0, len(sources))]
            return source[top : top + rows, left : left + columns]

        return fill


@TRANSFORMS.register_module()
class JitterColours(BaseTransform):
    """Changes the colours of all frames of a clip, each by factors of its own.

    Args:
        prob: Probability for a clip.
        colours: Arguments of torchvision's ``ColorJitter``.
    """

    def __init__(self, prob: float = 0.25, colours: Mapping[str, float] = COLOURS) -> None:
        self.prob = prob
        self.jitter = ColorJitter(**colours)

    def transform(self, results: dict) -> dict:
        """Change the frames."""
        if np.random.rand() < self.prob:
            results["frames"] = _each(results["frames"], self.jitter)
        return results


@TRANSFORMS.register_module()
class BlurFrames(BaseTransform):
    """Blurs all frames of a clip, each by a width of its own.

    Args:
        prob: Probability for a clip.
        kernel: Side of the kernel, pixels.
        sigma: Smallest and largest width of the Gaussian, pixels.
    """

    def __init__(
        self, prob: float = 0.25, kernel: int = 11, sigma: tuple[float, float] = (0.1, 2.0)
    ) -> None:
        self.prob = prob
        self.blur = GaussianBlur(kernel, sigma)

    def transform(self, results: dict) -> dict:
        """Change the frames."""
        if np.random.rand() < self.prob:
            results["frames"] = _each(results["frames"], self.blur)
        return results


def _each(frames: Frames, change: Callable[[Image.Image], Image.Image]) -> Frames:
    return [np.array(change(Image.fromarray(frame))) for frame in frames]
