"""Clips with points to train on: samples of MOVi-F, which of their points, and from which frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import BaseDataset
from mmengine.structures import BaseDataElement

from vovtrack.errors import InputError
from vovtrack.files.images import read_image
from vovtrack.formats.kubric import list_frames, list_samples, read_points
from vovtrack.registry import DATASETS, TRANSFORMS


@DATASETS.register_module()
class MoviFDataset(BaseDataset):
    """Samples of TAP-Vid-Kubric in the layout that :mod:`vovtrack.formats.kubric` describes.

    Args:
        **kwargs: Of mmengine's ``BaseDataset``: ``data_root``, the folder of the samples,
            ``pipeline``, ...

    Raises:
        InputError: The folder is missing or holds no sample.
    """

    METAINFO: dict = {}

    def load_data_list(self) -> list[dict]:
        """List the samples by name."""
        return [dict(sample_path=str(path)) for path in list_samples(self.data_root)]


@TRANSFORMS.register_module()
class LoadPointClip(BaseTransform):
    """Reads frames of a sample one after the other, and its points.

    Args:
        length: T; of a longer sample the first frame is drawn. None takes all.
        step: Take every so manyth frame.
    """

    def __init__(self, length: int | None = None, step: int = 1) -> None:
        self.length = length
        self.step = step

    def transform(self, results: dict) -> dict:
        """Set ``frames``, ``points`` and ``visible``.

        Raises:
            InputError: The sample is damaged or too short, or its frames and points do not fit.
        """
        sample = Path(results["sample_path"])
        paths = list_frames(sample)
        points, occluded = read_points(sample)
        if points.shape[1] != len(paths):
            raise InputError(
                f"Sample '{sample}': {len(paths)} pictures, but points of {points.shape[1]} frames."
            )
        span = self.length * self.step if self.length else len(paths)
        if len(paths) < span:
            raise InputError(
                f"Sample '{sample}' has {len(paths)} frames, clips over {span} are asked for."
            )
        # A sample of just the length draws nothing, as in the released training.
        start = np.random.randint(0, len(paths) - span + 1) if len(paths) > span else 0
        clip = slice(start, start + span, self.step)
        results["frames"] = [read_image(path)[..., ::-1] for path in paths[clip]]
        results["points"] = points[:, clip]
        results["visible"] = ~occluded[:, clip]
        return results


@TRANSFORMS.register_module()
class PickPoints(BaseTransform):
    """Keeps points that are visible in some frame, at most so many.

    Args:
        most: How many.
        shuffle: Take any of them, in random order; else the first ones of the file.
        shown_in: In any of these frames, as shares of the clip's length.
        or_in: Or, where those are fewer than ``most``, in any of these.
    """

    def __init__(
        self,
        most: int,
        shuffle: bool = True,
        shown_in: Sequence[float] = (0,),
        or_in: Sequence[float] = (),
    ) -> None:
        self.most = most
        self.shuffle = shuffle
        self.shown_in = shown_in
        self.or_in = or_in

    def transform(self, results: dict) -> dict | None:
        """Choose points; None, which makes the dataset draw another sample, if there is none."""
        seen = self._seen(results["visible"], self.shown_in)
        if len(seen) < self.most:
            seen = self._seen(results["visible"], (*self.shown_in, *self.or_in))
        if not len(seen):
            return None
        if self.shuffle:
            seen = seen[torch.randperm(len(seen)).numpy()]
        chosen = seen[: self.most]
        results.update(points=results["points"][chosen], visible=results["visible"][chosen])
        return results

    @staticmethod
    def _seen(visible: np.ndarray, shares: Sequence[float]) -> np.ndarray:
        """The points that are visible (N, T) in any of some frames."""
        frames = [int(share * visible.shape[1]) for share in shares]
        return np.flatnonzero(visible[:, frames].any(axis=1))


@TRANSFORMS.register_module()
class DrawQueries(BaseTransform):
    """Chooses from which frame each point is followed.

    The first points are followed from any frame in which they are visible, the others from the
    first such frame: so a model learns to begin at any time, too.

    Args:
        late_share: Share of the points that are followed from any frame.
    """

    def __init__(self, late_share: float = 0.25) -> None:
        self.late_share = late_share

    def transform(self, results: dict) -> dict:
        """Set ``queries``, (N, 3) float32 ``(t, x, y)``."""
        visible, points = results["visible"], results["points"]
        times = visible.argmax(axis=1)
        for row in range(int(len(visible) * self.late_share)):
            seen = np.flatnonzero(visible[row])
            times[row] = seen[int(torch.randint(len(seen), (1,)))]
        places = points[np.arange(len(points)), times]
        results["queries"] = np.column_stack([times, places]).astype(np.float32)
        return results


@TRANSFORMS.register_module()
class PackPointClip(BaseTransform):
    """Packs a clip for a point tracker.

    ``inputs`` is the clip, (T, 3, H, W) RGB float32 from 0 to 255. ``data_samples`` has
    ``queries`` (N, 3) float32 ``(t, x, y)``, ``gt_points`` (T, N, 2) float32 and ``gt_visible``
    (T, N) bool, all in pixels of the clip, and the meta information ``img_path``, the sample, and
    ``img_shape``, (H, W).
    """

    def transform(self, results: dict) -> dict:
        """Make tensors."""
        frames = np.stack(results["frames"]).astype(np.float32)
        sample = BaseDataElement(
            metainfo=dict(img_path=results["sample_path"], img_shape=frames.shape[1:3]),
            queries=torch.from_numpy(results["queries"]),
            gt_points=torch.from_numpy(results["points"].transpose(1, 0, 2).copy()),
            gt_visible=torch.from_numpy(results["visible"].T.copy()),
        )
        inputs = torch.from_numpy(frames.transpose(0, 3, 1, 2).copy())
        return dict(inputs=inputs, data_samples=sample)
