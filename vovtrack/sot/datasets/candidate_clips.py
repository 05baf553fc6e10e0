"""Candidates that a tracker met in videos, drawn in pairs to learn matching from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmengine.structures import BaseDataElement
from numpy.typing import NDArray
from torch.utils.data import Dataset

from vovtrack.datasets.video_dataset import VideoDataset
from vovtrack.errors import InputError
from vovtrack.files.images import read_image
from vovtrack.registry import DATASETS
from vovtrack.sot.datasets.candidate_pairs import (
    CandidatePair,
    FrameCandidates,
    PairSettings,
    frames_of,
    jitter_area,
    views_of,
)
from vovtrack.sot.datasets.clips import MAX_SEED
from vovtrack.sot.datasets.windows import cut_part

COLUMNS = (
    "index",
    "search_area_box",
    "target_anno_coord",
    "target_candidate_coords",
    "target_candidate_scores",
)
BLUR = 0.5
"""Standard deviation in pixels."""


class Met(NamedTuple):
    """A frame of a video in the file of candidates.

    Attributes:
        video: Number of the video in the source.
        row: Place of the frame among those of the video in the file.
    """

    video: int
    row: int


@DATASETS.register_module()
class CandidateClips(Dataset):
    """Draws pairs of frames' candidates of which it is known who is who.

    Half of them by default are views of one frame, the others follow each other in a video; see
    :mod:`vovtrack.sot.datasets.candidate_pairs`. What is drawn of them depends on how hard a frame
    is: its state, see :func:`~vovtrack.sot.candidate_records.state_of`.

    An item has ``inputs`` (2, 3, output, output), RGB float32 from 0 to 255, and ``data_samples``
    with ``cells`` (2, N, 2), ``points`` (2, N, 2), ``scores`` (2, N), ``partners`` (2, N) and
    ``size`` (2,), height and width of the frames.

    Args:
        source: Config of :class:`~vovtrack.datasets.video_dataset.VideoDataset`.
        candidates: JSON file of ``tools/record_candidates.py``, in the published layout: by name of
            a video, columns of frames, and rows by state.
        samples: Items of an epoch.
        output: Side of a search area, in pixels.
        views: Share of items that are views of one frame.
        frames: State of a frame of which views are made -> weight.
        pairs: States of two frames that follow each other -> weight.
        brightness: Smallest and largest factor of the second view.
        blur: Probability that the second view is blurred.
        settings: Of :class:`PairSettings`.

    Raises:
        InputError: The file is not such a file, names none of the videos, or has no frames of the
            states that are asked for.
    """

    METAINFO: dict = {}

    def __init__(
        self,
        source: Mapping[str, Any],
        candidates: str,
        samples: int,
        output: int = 352,
        views: float = 0.5,
        frames: Mapping[str, float] | None = None,
        pairs: Mapping[str, float] | None = None,
        brightness: tuple[float, float] = (0.5, 1.5),
        blur: float = 0.75,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.source, self.settings = VideoDataset(**source), PairSettings(**settings or {})
        self.samples, self.output, self.views = samples, output, views
        self.brightness, self.blur = brightness, blur
        found = _read(candidates)
        names = {self.source.video(n).name: n for n in range(self.source.num_videos)}
        self.records = {names[name]: columns for name, columns in found.items() if name in names}
        if not self.records:
            raise InputError(
                f"{candidates}: it has none of the videos of '{self.source.ann_file}'."
            )
        lengths = np.array([len(self.source.video(n)) for n in range(self.source.num_videos)])
        self._starts = np.cumsum([0, *lengths[:-1]])
        frames, pairs = frames or dict(H=1, K=0.5, J=0.5), pairs or dict(HH=1, HK=0.1, HG=0.1)
        # What is never drawn need not be there.
        self.frames = self._by_state("frame_states", frames, candidates) if views > 0 else []
        self.pairs = self._by_state("subseq_states", pairs, candidates) if views < 1 else []

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        # The seed is drawn from the generator that is seeded for each worker.
        rng = np.random.default_rng(np.random.randint(MAX_SEED))
        if rng.random() < self.views:
            return self._views(_draw(self.frames, rng), rng)
        met = _draw(self.pairs, rng)
        return self._follow(met, Met(met.video, met.row + 1), rng)

    def _by_state(
        self, column: str, weights: Mapping[str, float], path: str
    ) -> list[tuple[float, list[Met]]]:
        """Frames of each state that there is, and its weight."""
        found = []
        for state, weight in weights.items():
            frames = [
                Met(video, row)
                for video, record in self.records.items()
                for row in record[column].get(state, [])
                if column == "frame_states" or self._shows_targets(video, row)
            ]
            if frames and weight > 0:
                found.append((weight, frames))
        if not found:
            raise InputError(
                f"{path}: it has no frames of the states {', '.join(weights)} ('{column}'): record "
                "more videos, or ones in which the target is harder to tell."
            )
        return found

    def _shows_targets(self, video: int, row: int) -> bool:
        """Whether the target is among the candidates that are kept of two frames."""
        count = self.settings.count
        rows = (Met(video, row), Met(video, row + 1))
        return count is None or all(self._target(met) < count for met in rows)

    def _target(self, met: Met) -> int:
        """The candidate of a frame that is nearest to the target."""
        record = self.records[met.video]
        cells = np.array(record["target_candidate_coords"][met.row])
        away = np.linalg.norm(cells - np.array(record["target_anno_coord"][met.row]), axis=1)
        return int(away.argmin())

    def _views(self, met: Met, rng: np.random.Generator) -> dict[str, Any]:
        image, frame, path = self._frame(met)
        shape = (image.shape[0], image.shape[1])
        area = jitter_area(frame.area, self.settings.jitter, rng)
        changed: NDArray = self._cut(image, area) * np.float32(rng.uniform(*self.brightness))
        if rng.random() < self.blur:
            changed = cv2.GaussianBlur(changed, (0, 0), BLUR)
        pair = views_of(frame, area, shape, self.settings, rng)
        areas = [self._cut(image, frame.area), np.minimum(changed, 255)]
        return _packed(areas, pair, shape, self.settings.side, [path] * 2)

    def _follow(self, met: Met, after: Met, rng: np.random.Generator) -> dict[str, Any]:
        images, frames, paths = zip(*(self._frame(m) for m in (met, after)), strict=True)
        targets = (self._target(met), self._target(after))
        shape = images[0].shape[:2]
        pair = frames_of((frames[0], frames[1]), targets, shape, self.settings, rng)
        areas = [self._cut(i, f.area) for i, f in zip(images, frames, strict=True)]
        return _packed(areas, pair, shape, self.settings.side, list(paths))

    def _frame(self, met: Met) -> tuple[NDArray[np.uint8], FrameCandidates, str]:
        record = self.records[met.video]
        _, area, _, cells, scores = (record[name][met.row] for name in COLUMNS)
        found = FrameCandidates.of(
            np.array(area, np.float32),
            np.array(cells, np.int64),
            np.array(scores, np.float32),
            self.settings,
        )
        place = int(self._starts[met.video]) + int(record["index"][met.row])
        path = self.source.get_data_info(place)["img_path"]
        return read_image(path)[..., ::-1], found, path

    def _cut(self, image: NDArray[np.uint8], area: NDArray[np.float32]) -> NDArray[np.uint8]:
        x, y, w, h = np.rint(area).astype(int).tolist()
        return cut_part(image, np.array([x, y]), (w, h), self.output)


def _draw(weighted: Sequence[tuple[float, list[Met]]], rng: np.random.Generator) -> Met:
    weights = np.array([weight for weight, _ in weighted])
    frames = weighted[int(rng.choice(len(weighted), p=weights / weights.sum()))][1]
    return frames[int(rng.integers(len(frames)))]


def _packed(
    areas: Sequence[NDArray],
    pair: CandidatePair,
    shape: tuple[int, ...],
    cells: int,
    paths: list[str],
) -> dict[str, Any]:
    both = (pair.first, pair.second)
    inputs = np.stack([area.astype(np.float32) for area in areas]).transpose(0, 3, 1, 2)
    found = torch.from_numpy(np.stack([frame.cells for frame in both]))
    partners = torch.from_numpy(np.stack(pair.partners))
    # To look at: a cell around each candidate, and one number for those that are the same.
    corners = torch.cat([found.flip(-1) - 0.5, found.flip(-1) + 0.5], dim=-1)
    own = torch.arange(partners.shape[1])
    ids = torch.stack([own, torch.where(partners[1] >= 0, partners[1], len(own) + own)])
    sample = BaseDataElement(
        metainfo=dict(img_path=paths, img_shape=inputs.shape[2:]),
        gt_boxes=corners * (inputs.shape[-1] / (cells - 1)),
        gt_ids=ids,
        cells=found,
        points=torch.from_numpy(np.stack([frame.points for frame in both])),
        scores=torch.from_numpy(np.stack([frame.scores for frame in both])),
        partners=partners,
        size=torch.tensor(shape[:2], dtype=torch.float32),
    )
    return dict(inputs=torch.from_numpy(np.ascontiguousarray(inputs)), data_samples=sample)


def _read(path: str) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"'{path}' is not a readable file of candidates ({error}): "
            "tools/record_candidates.py writes one."
        ) from None
    keys = {*COLUMNS, "frame_states", "subseq_states"}
    for name, columns in found.items() if isinstance(found, dict) else [("", None)]:
        if not isinstance(columns, dict) or (missing := keys - columns.keys()):
            lacks = sorted(missing)[0] if isinstance(columns, dict) else "columns of frames"
            raise InputError(f"{path}: video '{name}' has no '{lacks}'.")
    return found
