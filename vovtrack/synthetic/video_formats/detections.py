"""What a detector would make of a frame: the boxes that public-detection protocols start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vovtrack.synthetic.truth import FrameTruth


@dataclass(frozen=True)
class DetectorModel:
    """A detector that shakes, misses and imagines boxes.

    An object is found with probability ``found * min(1, visible / clear)``: the less is seen of
    it, the less often, and not at all when it is hidden.

    Attributes:
        found: Probability to find an object that is well visible.
        clear: Part of an object that must be seen for that.
        shake: Standard deviation of the centre and of the log size of a box, in parts of its size.
        imagined: Mean number of boxes around nothing per frame.
        sure: Beta distribution of the scores of objects that are whole; the score of others
            shrinks as they are hidden.
        unsure: Beta distribution of the scores of imagined boxes.
    """

    found: float = 0.92
    clear: float = 0.6
    shake: float = 0.04
    imagined: float = 0.6
    sure: tuple[float, float] = (9.0, 2.0)
    unsure: tuple[float, float] = (2.0, 4.0)

    def detect(
        self, truth: FrameTruth, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return boxes (D, 4) xyxy in pixels, cut at the image, and scores (D,), best first."""
        height, width = truth.layers.shape
        clear = np.minimum(1, truth.visible / self.clear)
        hit = rng.random(len(clear)) < self.found * clear
        real = self._shaken(truth.whole_bboxes[hit].astype(np.float64), rng)
        real_scores = rng.beta(*self.sure, len(real)) * (0.5 + 0.5 * clear[hit])
        ghosts = self._ghosts(truth, rng, int(rng.poisson(self.imagined)))
        scores = np.append(real_scores, rng.beta(*self.unsure, len(ghosts)))
        boxes = np.vstack([real, ghosts]).clip(0, (width, height, width, height))
        boxes, scores = boxes.round(2), scores.round(4)
        seen = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) > 0
        order = np.argsort(-scores[seen], kind="stable")
        return boxes[seen][order], scores[seen][order]

    def _shaken(self, boxes: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        sizes = boxes[:, 2:] - boxes[:, :2]
        noise = rng.normal(0, self.shake, (len(boxes), 4))
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + noise[:, :2] * sizes
        sizes = sizes * np.exp(noise[:, 2:])
        return np.hstack([centres - sizes / 2, centres + sizes / 2])

    def _ghosts(
        self, truth: FrameTruth, rng: np.random.Generator, count: int
    ) -> NDArray[np.float64]:
        """Boxes of the sizes that objects have, anywhere."""
        height, width = truth.layers.shape
        whole = truth.whole_bboxes.astype(np.float64)
        sizes = whole[:, 2:] - whole[:, :2]
        if not len(sizes):
            sizes = np.array([[width / 4, height / 4]])
        sizes = sizes[rng.integers(len(sizes), size=count)]
        centres = rng.random((count, 2)) * (width, height)
        return np.hstack([centres - sizes / 2, centres + sizes / 2])
