"""ToMP's tracker, whose filters and boxes a transformer predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vovtrack.registry import TASK_UTILS
from vovtrack.sot.box_tracker import BoxTracker, image_shape
from vovtrack.sot.first_views import cut_middle
from vovtrack.sot.followed import Followed, Placement, Sight
from vovtrack.sot.known_frames import FILTER_SIZE, KnownFrames, KnownFrameSettings, tell
from vovtrack.sot.localization import Flag
from vovtrack.sot.models.tomp import DenseOutput, ToMP
from vovtrack.sot.widening import ScaleHistory, WideningSettings

EXPANSION = 2
"""Side of what the first search area is the middle of, in its sides: that is how it is rounded."""


@dataclass
class KnownTarget(Followed):
    """A target.

    Attributes:
        known: Frames that it is known from.
        scales: Of its search areas.
    """

    known: KnownFrames
    scales: ScaleHistory


@TASK_UTILS.register_module()
class ToMPTracker(BoxTracker[ToMP, KnownTarget]):
    """Follows what boxes are drawn around; see :class:`vovtrack.sot.box_tracker.BoxTracker`.

    A transformer is shown the first frame and the last one in which the target was found without
    doubt, and gives the filter that finds it in the next one and the distances to its sides (ToMP,
    Mayer et al., CVPR 2022, arXiv:2203.11192, section 3.6). Nothing is optimised or drawn online. A
    lost target is looked for at a larger scale.

    Args:
        model: In evaluation mode.
        known: Of :class:`KnownFrameSettings`.
        widening: Of :class:`WideningSettings`.
        least_side: Width and height of a box, in pixels of the frame.
        **search: Of :class:`BoxTracker`.
    """

    def __init__(
        self,
        model: ToMP,
        known: Mapping[str, Any] | None = None,
        widening: Mapping[str, Any] | None = None,
        least_side: float = 10.0,
        **search: Any,
    ) -> None:
        super().__init__(model, **search)
        self.known = KnownFrameSettings(**known or {})
        self.widening = WideningSettings(**widening or {})
        self.least_side = least_side
        self.settings |= dict(
            known=asdict(self.known), widening=asdict(self.widening), least_side=least_side
        )

    def _begin(self, image: Tensor, track_id: int, box: NDArray[np.float32]) -> KnownTarget:
        placement = Placement(box, self.side / self.extent)
        area = self._first_area(placement)
        (feat,) = self._features(cut_middle(self._around(image, area, EXPANSION), self.side))
        first = self._tensor(area.box_of(placement.position, placement.size))
        known = KnownFrames(feat, first, self.known)
        return KnownTarget(track_id, placement, known, ScaleHistory(self.widening))

    def _follow(self, image: Tensor, targets: list[KnownTarget]) -> None:
        windows, patches = self._search(image, targets)
        feat = self._features(patches)
        found = self._find(targets, feat)
        scores, sides = found.scores.cpu().numpy(), found.sides.cpu().numpy()
        for row, (target, window) in enumerate(zip(targets, windows, strict=True)):
            target.age += 1
            sight = target.sight = self._see(target, window, scores[row])
            place, is_found = target.placement, sight.place.flag is not Flag.NOT_FOUND
            place.widened = target.scales.next_scale(place.scale, is_found)
            if is_found:
                self._put(place, sight, sides[row], image_shape(image))
            self._remember(target, feat[row])

    def _find(self, targets: list[KnownTarget], feat: Tensor) -> DenseOutput:
        """Scores (N, H, W) and sides (N, 4, H, W) in features (N, C, H, W) of search areas."""
        shape = feat.shape[-2:]
        found = DenseOutput(feat.new_empty(len(feat), *shape), feat.new_empty(len(feat), 4, *shape))
        counts = [len(target.known) for target in targets]
        for count in sorted(set(counts)):
            rows = [row for row, other in enumerate(counts) if other == count]
            told = tell([targets[row].known for row in rows], self.model.stride)
            part = self.model.track(told.feat, feat[None, rows], *told[1:])
            found.scores[rows], found.sides[rows] = part.scores[0], part.sides[0]
        return found

    def _put(
        self, place: Placement, sight: Sight, sides: NDArray[np.float32], frame: tuple[int, int]
    ) -> None:
        """Place a target by the sides (4, H, W) that its cell foretells, in a frame (H, W).

        Its centre is half a pixel further than boxes have it, as in the original.
        """
        middle = (np.array(sides.shape[1:]) - 1) / 2
        row, column = np.rint(sight.place.translation / self._cell(sight.area) + middle).astype(int)
        stride = self.model.stride
        before, after = (sides[:, row, column] * self.side).reshape(2, 2).astype(np.float64)
        centre = np.array([column + 0.5, row + 0.5]) * stride
        start, end = sight.window.corners.reshape(2, 2)[:, ::-1]
        scale, limit = (end - start) / self.side, np.array(frame[::-1])
        low = np.clip(start + (centre - before) * scale, 0, limit - self.least_side)
        high = np.clip(start + (centre + after) * scale, self.least_side, limit)
        size = np.maximum(high - low, self.least_side)
        place.position, place.size = (low + size / 2)[::-1], size[::-1]

    def _remember(self, target: KnownTarget, feat: Tensor) -> None:
        """Remember a search area if there is no doubt what it shows."""
        assert target.sight is not None
        flag = target.sight.place.flag
        certain = flag in (Flag.NORMAL, Flag.HARD_NEGATIVE)
        if certain and target.sight.scores.max() > self.known.confident:
            target.known.insert(feat, self._box_of(target), flag is Flag.HARD_NEGATIVE)

    def _centre(self, place: Placement) -> NDArray[np.float64]:
        """Where there is a cell in the middle of features, it is at the target; else the next."""
        between = (self.side // self.model.stride + FILTER_SIZE) % 2
        return place.position + between * place.scale * self.model.stride / 2

    def _features(self, patches: Tensor) -> Tensor:
        """(N, C, H, W) of search areas (N, 3, side, side)."""
        return self.model.extract(self.model.normalize(patches)).float()
