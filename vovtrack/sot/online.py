"""Tracking of single objects frame by frame, by filters that are learned online."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from vovtrack.engine.online import OnlineTracker, frame_size
from vovtrack.errors import InputError
from vovtrack.registry import TASK_UTILS
from vovtrack.sot.box_choice import RefinementSettings, choose_box, propose_boxes
from vovtrack.sot.first_views import Draw, ViewSettings, drop_channels, make_views
from vovtrack.sot.followed import Followed, Placement, Sight
from vovtrack.sot.localization import Flag, LocalizationSettings, Sample, localize
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.models.iou_net import Pair, refine_boxes
from vovtrack.sot.online_filter import LearningSettings, OnlineFilter
from vovtrack.sot.search_area import Border, Rounding, SearchArea, cut_window, place_window
from vovtrack.structures import Target, Tracks


@TASK_UTILS.register_module()
class DiMPTracker(OnlineTracker):
    """Follows what boxes are drawn around; an immediate tracker.

    A filter is learned of each target in the first frame, finds it in a search area around its
    last place, and learns on; then a network fits its box (DiMP, Bhat et al., ICCV 2019,
    arXiv:1904.07220, section 4.4). Search areas of all targets are one batch of the backbone.

    The id of a target is its row in the boxes, or what :meth:`add` says. Each is in the tracks of
    every frame from its own on; where it is not found, it is where it was, and its score, the
    highest of the filter, is below ``draw_threshold``. Memory does not grow with the length of a
    video.

    Args:
        model: In evaluation mode.
        side: Of search areas, in pixels that the network sees.
        extent: Side of a search area, in sides of the target.
        border: See :func:`place_window`, like the two that follow.
        max_shrink: The most that ``border`` shrinks a search area by.
        rounding: Of half a side.
        softmax: Whether scores are logits of where the target is.
        localization: Of :class:`LocalizationSettings`.
        views: Of :class:`ViewSettings`.
        learning: Of :class:`LearningSettings`.
        refinement: Of :class:`RefinementSettings`.
        seed: Of the draws; those of a target depend on its id besides, and on nothing else.

    Example:
        Follow two objects, and a third one that is seen in frame 10::

            tracker.start(frames[0], Target(boxes=[[320, 180, 400, 240], [20, 30, 60, 50]]))
            for number, frame in enumerate(frames):
                if number == 10:
                    ids = tracker.add([[50, 60, 90, 80]])
                tracks = tracker.step(frame)
    """

    names = ("object",)

    def __init__(
        self,
        model: DiMP,
        side: int = 288,
        extent: float = 5.0,
        border: Border = "replicate",
        max_shrink: float | None = None,
        rounding: Rounding = "true_div",
        softmax: bool = False,
        localization: Mapping[str, Any] | None = None,
        views: Mapping[str, Any] | None = None,
        learning: Mapping[str, Any] | None = None,
        refinement: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.side, self.extent, self.softmax, self.seed = side, extent, softmax, seed
        self._place = partial(place_window, border=border, max_shrink=max_shrink, rounding=rounding)
        self.localization = LocalizationSettings(**localization or {})
        self.views = ViewSettings(**views or {})
        self.learning = LearningSettings(**learning or {})
        self.refinement = RefinementSettings(**refinement or {})
        if self.views.samples > self.learning.memory:
            raise InputError(
                f"A memory of {self.learning.memory} samples cannot hold the {self.views.samples} "
                "of the first frame: raise learning.memory, or make fewer views."
            )
        self._device = next(model.parameters()).device
        self.settings = dict(
            side=side, extent=extent, border=border, max_shrink=max_shrink, rounding=rounding,
            softmax=softmax, localization=asdict(self.localization), views=asdict(self.views),
            learning=asdict(self.learning), refinement=asdict(self.refinement),
            seed=seed,
        )  # fmt: skip
        self.reset()

    @property
    def draw_threshold(self) -> float:  # type: ignore[override]  # that of the localisation
        """Score below which a target is not found."""
        return self.localization.not_found

    def reset(self) -> None:
        """Forget the video and its targets; boxes may be added before its first frame."""
        self.frame_id = -1
        self.followed: dict[int, Followed] = {}
        self._size: tuple[int, int] | None = None
        self._waiting: dict[int, NDArray[np.float32]] = {}
        self._next_id = 0

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        """Begin a video.

        Args:
            frame: The first frame; None before it is known.
            target: Boxes of what is to be followed.

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
        self.add(boxes)

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

    def draws(self, track_id: int) -> Draw:
        """Uniform draws for a target."""
        generator = torch.Generator().manual_seed(self.seed + track_id)
        return lambda *shape: torch.rand(shape, generator=generator)

    def _begin(self, image: Tensor, track_id: int, box: NDArray[np.float32]) -> Followed:
        """Learn a target from the frame in which it is marked."""
        draw, classifier = self.draws(track_id), self.model.classifier
        placement = Placement(box, self.side / self.extent)
        area = SearchArea(np.rint(placement.position), placement.scale, self.side)
        expanded = np.full(2, self.views.expanded(self.side))
        window = self._place(
            _shape(image), area.centre, area.scale * expanded, expanded, border="replicate"
        )
        around = cut_window(image, window, (expanded[0], expanded[1]))
        views, shifts = make_views(around, self.side, self.views, draw)
        maps = self._maps(views)
        feat = classifier.extract(maps[1])
        dropped = drop_channels(feat[:1], self.views, draw)
        first = self._tensor(area.box_of(placement.position, placement.size))
        boxes = first.repeat(len(feat) + len(dropped), 1)
        boxes[: len(shifts), :2] += shifts.flip(-1).to(boxes)
        online_filter = OnlineFilter(classifier, torch.cat([feat, dropped]), boxes, self.learning)
        modulation = self.model.iou_net.modulation((maps[0][:1], maps[1][:1]), first[None])
        return Followed(track_id, placement, online_filter, modulation, draw)

    def _follow(self, image: Tensor, targets: list[Followed]) -> None:
        """Find targets in the next frame, and learn from it."""
        frame, classifier = _shape(image), self.model.classifier
        out = np.full(2, self.side)
        windows = [
            self._place(frame, t.placement.position, t.placement.scale * out, out) for t in targets
        ]
        patches = [cut_window(image, window, (self.side, self.side)) for window in windows]
        maps = self._maps(torch.cat(patches))
        feat = classifier.extract(maps[1])
        filters = torch.cat([target.filter.weights for target in targets])
        scores = classifier.classify(filters, feat[None])[0]
        if self.softmax:
            scores = scores.flatten(1).softmax(dim=1).view_as(scores)
        cell = classifier.filter_initializer.stride
        seen = scores.cpu().numpy()
        found: list[int] = []
        for row, (target, window) in enumerate(zip(targets, windows, strict=True)):
            place, area = target.placement, SearchArea.of(window, self.side)
            sample = Sample(place.position, place.size, area.centre, area.scale * cell)
            place_found = localize(seen[row], sample, self.localization)
            target.sight = Sight(window, area, seen[row], place_found)
            target.age += 1
            if target.sight.place.flag is not Flag.NOT_FOUND:
                place.move(area.centre + target.sight.place.translation, frame)
                found.append(row)
        if found:
            self._fit_boxes([targets[row] for row in found], (maps[0][found], maps[1][found]))
        for row in found:
            self._learn(targets[row], feat[row])

    def _fit_boxes(self, targets: list[Followed], maps: Pair) -> None:
        """Refine the boxes of targets, whose search areas the maps show."""
        settings, net = self.refinement, self.model.iou_net
        proposals = torch.stack([propose_boxes(self._box_of(t), settings, t.draw) for t in targets])
        fine, coarse = (torch.cat([t.modulation[level] for t in targets]) for level in (0, 1))
        refined = refine_boxes(
            net,
            (fine, coarse),
            net.features(maps),
            proposals,
            settings.steps,
            settings.step_length,
            settings.relative,
        )
        last, overlap = refined.boxes[-1].cpu(), refined.overlap[-1].cpu()
        for row, target in enumerate(targets):
            sight, place = target.sight, target.placement
            assert sight is not None
            sight.proposals, sight.refined, sight.overlap = proposals[row], last[row], overlap[row]
            best = choose_box(last[row], overlap[row], settings)
            if best is not None:
                place.position, place.size = sight.area.place_of(best.double().numpy())

    def _learn(self, target: Followed, feat: Tensor) -> None:
        """Learn from a search area, if it is certain what it shows."""
        assert target.sight is not None
        flag = target.sight.place.flag
        if flag is not Flag.UNCERTAIN:
            target.sight.steps = target.filter.update(
                feat, self._box_of(target), target.age, flag is Flag.HARD_NEGATIVE
            )

    def _box_of(self, target: Followed) -> Tensor:
        """(4,) the box (x, y, w, h) of a target in its search area."""
        assert target.sight is not None
        place = target.placement
        return self._tensor(target.sight.area.box_of(place.position, place.size))

    def _maps(self, patches: Tensor) -> Pair:
        """The backbone's maps of search areas (N, 3, side, side)."""
        fine, coarse = self.model.extract(self.model.normalize(patches))
        return fine.float(), coarse.float()

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


def _shape(image: Tensor) -> tuple[int, int]:
    """(H, W) of an image (1, 3, H, W)."""
    return image.shape[-2], image.shape[-1]
