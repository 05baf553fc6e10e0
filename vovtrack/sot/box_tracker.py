"""What trackers of single objects have in common: boxes that are drawn, and search areas."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from vovtrack.engine.online import OnlineTracker, frame_size
from vovtrack.errors import InputError
from vovtrack.sot.first_views import expanded_side
from vovtrack.sot.followed import Followed, Placement, Sight
from vovtrack.sot.localization import LocalizationSettings, Sample, localize
from vovtrack.sot.models.target_model import TargetModel
from vovtrack.sot.search_area import (
    Border,
    Rounding,
    SearchArea,
    Window,
    cut_window,
    place_window,
)
from vovtrack.structures import Target, Tracks

F = TypeVar("F", bound=Followed)
M = TypeVar("M", bound=TargetModel)


class BoxTracker(OnlineTracker, Generic[M, F]):
    """Follows what boxes are drawn around; an immediate tracker.

    Each target is learned in its first frame, and then looked for in a search area around its last
    place. Search areas of all targets are one batch of the backbone.

    The id of a target is its row in the boxes, or what :meth:`add` says. Each is in the tracks of
    every frame from its own on; where it is not found, it is where it was, and its score, the
    highest of its map, is below ``draw_threshold``. Memory does not grow with the length of a
    video.

    Args:
        model: In evaluation mode.
        side: Of search areas, in pixels that the network sees.
        extent: Side of a search area, in sides of the target.
        border: See :func:`place_window`, like the two that follow.
        max_shrink: The most that ``border`` shrinks a search area by.
        rounding: Of half a side.
        localization: Of :class:`LocalizationSettings`.

    Attributes:
        middle_offset: Cells from the middle of scores to that of the search area.

    Example:
        Follow two objects, and a third one that is seen in frame 10::

            tracker.start(frames[0], Target(boxes=[[320, 180, 400, 240], [20, 30, 60, 50]]))
            for number, frame in enumerate(frames):
                if number == 10:
                    ids = tracker.add([[50, 60, 90, 80]])
                tracks = tracker.step(frame)
    """

    names = ("object",)
    middle_offset = 0.0

    def __init__(
        self,
        model: M,
        side: int = 288,
        extent: float = 5.0,
        border: Border = "replicate",
        max_shrink: float | None = None,
        rounding: Rounding = "true_div",
        localization: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.side, self.extent = side, extent
        self._place = partial(place_window, border=border, max_shrink=max_shrink, rounding=rounding)
        self.localization = LocalizationSettings(**localization or {})
        self._device = next(model.parameters()).device
        self.settings: dict[str, Any] = dict(
            side=side, extent=extent, border=border, max_shrink=max_shrink, rounding=rounding,
            localization=asdict(self.localization),
        )  # fmt: skip
        self.reset()

    @property
    def draw_threshold(self) -> float:  # type: ignore[override]  # that of the localisation
        """Score below which a target is not found."""
        return self.localization.not_found

    def reset(self) -> None:
        """Forget the video and its targets; boxes may be added before its first frame."""
        self.frame_id = -1
        self.followed: dict[int, F] = {}
        self._size: tuple[int, int] | None = None
        self._waiting: dict[int, NDArray[np.float32]] = {}
        self._later: Target | None = None
        self._next_id = 0

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Begin a video.

        Args:
            frame: The first frame; None before it is known.
            target: Boxes of what is to be followed, from the first frame or a later one on.

        Raises:
            InputError: Another kind of target or none, or boxes outside of the frame.
        """
        boxes = (target or Target()).only("A tracker of single objects", "boxes").boxes
        if boxes is None or target is None:
            raise InputError(
                "A tracker of single objects must be told what to follow, for example by "
                "--box 320,180,80,60."
            )
        if frame is not None:
            target.check_inside(*frame_size(frame, 0))
        self.reset()
        self._later = target
        self._next_id = 1 + int(target.box_ids.max())  # type: ignore[union-attr]
        self._take_boxes(0)

    def add(self, boxes: ArrayLike, ids: Sequence[int] | None = None) -> list[int]:
        """Follow further objects, or some anew.

        Args:
            boxes: (n, 4) (x1, y1, x2, y2) in pixels of the next frame.
            ids: Of objects whose boxes these are, and which are learned from the beginning; None
                for new ones.

        Returns:
            Their ids, in order.

        Raises:
            InputError: They are not such boxes, or lie outside.
        """
        target = Target(boxes=boxes)  # type: ignore[arg-type]  # which it makes an array of
        assert target.boxes is not None
        if self._size is not None:
            target.check_inside(*self._size)
        if ids is None:
            ids = range(self._next_id, self._next_id + len(target.boxes))
        self._waiting.update(zip(ids, target.boxes, strict=True))
        self._next_id = max(self._next_id, 1 + max(ids))
        return list(ids)

    def drop(self, ids: Iterable[int]) -> None:
        """Follow some objects no longer.

        Args:
            ids: Of the objects; those that are not followed are passed over.
        """
        for track_id in ids:
            self.followed.pop(track_id, None)
            self._waiting.pop(track_id, None)

    @torch.no_grad()
    def step(self, frame: np.ndarray) -> Tracks:
        """Follow the objects into the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Raises:
            InputError: Not such a frame, or one of another size.
        """
        if self.frame_id >= 0:
            self._take_boxes(self.frame_id + 1)
        self._check_frame(frame)
        self.frame_id += 1
        # A copy: a frame may be read-only.
        image = torch.tensor(frame, device=self._device).permute(2, 0, 1)[None]
        known = [f for f in self.followed.values() if f.track_id not in self._waiting]
        if known:
            self._follow(image, known)
        for track_id, box in self._waiting.items():
            self.followed[track_id] = self._begin(image, track_id, box)
        self._waiting = {}
        return self._tracks()

    def _take_boxes(self, number: int) -> None:
        """Let those boxes wait that were given for the frame of a number."""
        if self._later is None:
            return
        boxes, frames, ids = self._later.boxes, self._later.box_frames, self._later.box_ids
        assert boxes is not None and frames is not None and ids is not None
        rows = np.flatnonzero(frames == number)
        if len(rows):
            self.add(boxes[rows], ids[rows].tolist())
        if number >= frames.max():
            self._later = None

    @abstractmethod
    def _begin(self, image: Tensor, track_id: int, box: NDArray[np.float32]) -> F:
        """Learn a target from the frame (1, 3, H, W) in which it is marked (x1, y1, x2, y2)."""

    @abstractmethod
    def _follow(self, image: Tensor, targets: list[F]) -> None:
        """Find targets in the next frame (1, 3, H, W), and learn from it."""

    def _around(self, image: Tensor, area: SearchArea, expansion: float) -> Tensor:
        """What first views are cut out of, (1, 3, E, E), see :func:`expanded_side`."""
        expanded = expanded_side(self.side, expansion)
        out = np.full(2, expanded)
        window = self._place(
            image_shape(image), area.centre, area.scale * out, out, border="replicate"
        )
        return cut_window(image, window, (expanded, expanded))

    def _first_area(self, placement: Placement) -> SearchArea:
        """The search area of the frame in which a target is marked."""
        return SearchArea(np.rint(placement.position), placement.scale, self.side)

    def _search(self, image: Tensor, targets: list[F]) -> tuple[list[Window], Tensor]:
        """Cut the search areas of targets, (N, 3, side, side)."""
        out = np.full(2, self.side)
        places = [target.placement for target in targets]
        windows = [
            self._place(image_shape(image), self._centre(place), place.scale * out, out)
            for place in places
        ]
        patches = [cut_window(image, window, (self.side, self.side)) for window in windows]
        return windows, torch.cat(patches)

    def _centre(self, place: Placement) -> NDArray[np.float64]:
        """(2,) around which a target is looked for."""
        return place.position

    def _see(self, target: F, window: Window, scores: NDArray[np.float32]) -> Sight:
        """Where the scores (H, W) of a search area say that a target is."""
        place, area = target.placement, SearchArea.of(window, self.side)
        sample = Sample(
            place.position, place.size, area.centre, self._cell(area), self.middle_offset
        )
        return Sight(window, area, scores, localize(scores, sample, self.localization))

    def _cell(self, area: SearchArea) -> float:
        """Side of a cell of the scores, in pixels of the frame."""
        return area.scale * self.model.stride

    def _box_of(self, target: F) -> Tensor:
        """(4,) the box (x, y, w, h) of a target in its search area."""
        return self._tensor(target.seen_box)

    def _tensor(self, values: NDArray[np.float64]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device)

    def _tracks(self) -> Tracks:
        targets = [self.followed[track_id] for track_id in sorted(self.followed)]
        boxes = np.array([t.placement.box for t in targets], dtype=np.float32)
        scores = [1.0 if t.sight is None else t.sight.score for t in targets]
        return Tracks(
            frame_id=self.frame_id,
            bboxes=boxes.reshape(-1, 4),
            track_ids=np.array([t.track_id for t in targets], dtype=np.int64),
            labels=np.zeros(len(targets), dtype=np.int64),
            scores=np.array(scores, dtype=np.float32),
            names=self.names,
        )

    def _check_frame(self, frame: np.ndarray) -> None:
        size = frame_size(frame, self.frame_id + 1)
        if self._size is None:
            self._size = size
            if self._waiting:
                Target(boxes=np.stack(list(self._waiting.values()))).check_inside(*size)
        if size != self._size:
            raise InputError(
                f"Frame {self.frame_id + 1} has {size[0]}x{size[1]} pixels, but the video began "
                f"with {self._size[0]}x{self._size[1]}: objects cannot be followed into it."
            )


def image_shape(image: Tensor) -> tuple[int, int]:
    """(H, W) of an image (1, 3, H, W)."""
    return image.shape[-2], image.shape[-1]
