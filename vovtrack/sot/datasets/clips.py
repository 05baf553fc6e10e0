"""Frames of one target, drawn from videos and from pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv.transforms import Compose
from numpy.typing import NDArray
from torch.utils.data import Dataset

from vovtrack.datasets.video_dataset import VideoDataset
from vovtrack.errors import InputError
from vovtrack.registry import DATASETS, TRANSFORMS
from vovtrack.sot.datasets.gaps import FrameGaps
from vovtrack.structures.videos import NO_TRACK, VideoRecord

MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class Tracks:
    """The targets of a source, in columns.

    Attributes:
        videos: (N,) int64 number of the video of each.
        ids: (N,) int64 its track in that video.
        lengths: (N,) int64 frames of the video.
        shown: (N,) int64 frames of them that show the target.
        starts: (V,) int64 number of the first frame of each video.
    """

    videos: NDArray[np.int64]
    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    shown: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, source: VideoDataset) -> Tracks:
        """List the targets of all videos of a source."""
        rows, lengths = [], []
        for number in range(source.num_videos):
            video = source.video(number)
            lengths.append(len(video))
            ids, shown = np.unique(_places(video)[:, 0], return_counts=True)
            each = np.stack([ids, shown], axis=1)
            rows.append(np.insert(each, 0, [[number], [len(video)]], axis=1))
        videos, length, track, seen = np.concatenate(rows).T
        return cls(videos, track, length, seen, np.cumsum([0, *lengths[:-1]]))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def stills(self) -> bool:
        """Whether the source is one of pictures: no video has a second frame."""
        return bool((self.lengths == 1).all())


def _places(video: VideoRecord) -> NDArray[np.int64]:
    """(M, 2) track and position of the frames that show it, with a box of some area."""
    some = (video.bboxes[:, 2:] > video.bboxes[:, :2]).all(axis=1)
    kept = some & ~video.ignored & (video.track_ids != NO_TRACK)
    frames = np.repeat(np.arange(len(video)), video.counts)
    return np.unique(np.stack([video.track_ids[kept], frames[kept]], axis=1), axis=0)


@DATASETS.register_module()
class TargetClips(Dataset):
    """Draws frames of one target: some to learn it in, others to find it in.

    Every item is drawn anew, whatever its index: a source by its weight, a target with equal
    chances, and its frames as ``gaps`` says. A target of a source of pictures comes in the same
    picture each time, which a pipeline makes different.

    Args:
        sources: Configs of :class:`~vovtrack.datasets.video_dataset.VideoDataset`, such as
            ``dict(reader=dict(format="single_object"), ann_file="LaSOT",
            data_prefix=dict(img="LaSOT"))`` or with ``format="coco"``.
        gaps: Arguments of :class:`~vovtrack.sot.datasets.gaps.FrameGaps`.
        pipeline: Transforms, see :mod:`vovtrack.sot.datasets`.
        samples: Items of an epoch.
        weights: Of the sources; equal ones by default.

    Raises:
        InputError: See the sources; also weights that do not fit them, or a source without a
            target that is shown in enough frames.
    """

    METAINFO: dict = {}

    def __init__(
        self,
        sources: Sequence[Mapping[str, Any]],
        gaps: Mapping[str, Any],
        pipeline: Sequence[dict[str, Any]],
        samples: int,
        weights: Sequence[float] | None = None,
    ) -> None:
        weights = [1.0] * len(sources) if weights is None else list(weights)
        if len(weights) != len(sources) or not sum(weights) > 0 or min(weights) < 0:
            raise InputError(
                f"There are {len(sources)} 'sources' and 'weights' {weights}: expected a number "
                "from 0 for each source, and one above it."
            )
        self.sources = [VideoDataset(**source) for source in sources]
        self.shares = np.array(weights) / sum(weights)
        self.gaps = FrameGaps(**gaps)
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])
        self.samples = samples
        self.tracks = [Tracks.of(source) for source in self.sources]
        for source, tracks in zip(self.sources, self.tracks, strict=True):
            pairs = zip(tracks.lengths, tracks.shown, strict=True)
            if not tracks.stills and not any(self.gaps.enough(*pair) for pair in pairs):
                raise InputError(
                    f"'{source.ann_file}': no video shows a target in enough frames to draw "
                    f"{self.gaps.train} and {self.gaps.test} of them."
                )

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        # The seed is drawn from the generator that is seeded for each worker.
        rng = np.random.default_rng(np.random.randint(MAX_SEED))
        return self.pipeline(self.sample(*self.draw(rng), rng))

    def draw(self, rng: np.random.Generator) -> tuple[int, int, list[int], list[int]]:
        """A source, a target of it, positions of frames to learn in and of those to find in."""
        source = int(rng.choice(len(self.sources), p=self.shares))
        tracks = self.tracks[source]
        target = int(rng.integers(len(tracks)))
        if tracks.stills:
            return source, target, [0] * self.gaps.train, [0] * self.gaps.test
        while not self.gaps.enough(tracks.lengths[target], tracks.shown[target]):
            target = int(rng.integers(len(tracks)))
        video = self.sources[source].video(int(tracks.videos[target]))
        shown = np.zeros(len(video), bool)
        places = _places(video)
        shown[places[places[:, 0] == tracks.ids[target], 1]] = True
        return source, target, *self.gaps.draw(shown, rng)

    def sample(
        self,
        source: int,
        target: int,
        train: Sequence[int],
        test: Sequence[int],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """What passes the pipeline, of what :meth:`draw` gave."""
        tracks = self.tracks[source]
        start = int(tracks.starts[tracks.videos[target]])
        sample: dict[str, Any] = dict(rng=rng, paths={})
        for part, frames in (("train", train), ("test", test)):
            infos = [self.sources[source].get_data_info(start + frame) for frame in frames]
            sample["paths"][part] = [info["img_path"] for info in infos]
            boxes = [_box(info, int(tracks.ids[target])) for info in infos]
            sample[part] = dict(boxes=np.array(boxes, np.float32))
        return sample


def _box(info: Mapping[str, Any], track: int) -> list[float]:
    """The box (x, y, w, h) of a track in a frame."""
    found = (i["bbox"] for i in info["instances"] if i["instance_id"] == track)
    x1, y1, x2, y2 = next(found)
    return [x1, y1, x2 - x1, y2 - y1]
