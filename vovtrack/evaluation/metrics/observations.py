"""The metric that measures nothing: it keeps what the detector saw, for replaying trackers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import barrier
from mmengine.evaluator import BaseMetric

from vovtrack.errors import InputError
from vovtrack.evaluation.metrics.frame_order import FrameOrder, check_classes
from vovtrack.evaluation.metrics.video_files import VideoFilesMetric
from vovtrack.files.hashing import file_sha256
from vovtrack.formats.observations import (
    PER_DETECTION,
    ObservationHeader,
    ObservationStore,
    VideoObservations,
)
from vovtrack.formats.tao.annotations import read_annotations
from vovtrack.registry import METRICS
from vovtrack.structures import Vocabulary
from vovtrack.structures.videos import VideoSet

_KINDS = dict(reader=dict, benchmark=str)
"""What a store may say of its evaluator besides the type."""


@METRICS.register_module()
class StoreObservations(BaseMetric):
    """Writes the detections of a test with their embeddings, see `vovtrack.formats.observations`.

    The model must keep them (``model.keep_observations``). Videos are written one by one, so an
    interrupted test resumes; several processes may share the folder.

    Args:
        ann_file: Annotation file of the videos, TAO-style or as ``evaluator`` reads it.
        vocabulary: The classes of the model's labels, see :meth:`Vocabulary.load`.
        out_dir: Folder of the store.
        evaluator: Config of the metric of the tracks without its paths, if that is a
            :class:`~vovtrack.evaluation.metrics.video_files.VideoFilesMetric`.
    """

    default_prefix = "observations"

    def __init__(
        self,
        ann_file: str,
        vocabulary: str | Sequence[str],
        out_dir: str,
        evaluator: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(collect_device="cpu")
        self.ann_file = ann_file
        self.vocabulary = Vocabulary.load(vocabulary)
        self.out_dir = Path(out_dir)
        self.evaluator = evaluator
        self._order = FrameOrder()
        self._frames: list[dict] = []
        self._store: ObservationStore | None = None

    def begin(self, run: str) -> frozenset[int]:
        """Open the store for the run that ``run`` describes.

        Returns:
            Ids of the videos that it holds already.

        Raises:
            InputError: It holds the observations of another run.
        """
        return frozenset(self._open(run).videos)

    def _open(self, run: str) -> ObservationStore:
        header = ObservationHeader(
            run=run,
            names=self.vocabulary.names,
            category_ids=self.vocabulary.category_ids,
            novel=tuple(self.vocabulary.novel.tolist()),
            ann_file=str(self.ann_file),
            annotations_sha256=annotations_sha256(self.ann_file, self.evaluator),
            evaluator=self.evaluator,
        )
        self._store = ObservationStore.start(self.out_dir, header)
        return self._store

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Take the results of some consecutive frames of one video.

        Raises:
            InputError: The model kept no observations, used other classes, or a frame is not the
                next one of its video.
        """
        for sample in data_samples:
            check_classes(sample, self.vocabulary)
            self._order.check(sample)
            if "observations" not in sample:
                raise InputError(
                    "The model keeps no observations: set model.keep_observations to the number "
                    "of class probabilities to keep of each detection."
                )
            self._frames.append(sample)
            if sample["frame_id"] == sample["video_length"] - 1:
                self._write_video()

    def _write_video(self) -> None:
        store = self._store or self._open("")
        columns = defaultdict(list)
        for sample in self._frames:
            found = sample["observations"]
            for name in PER_DETECTION:
                if name in found:
                    columns[name].append(found[name].numpy(force=True))
        arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
        arrays["image_ids"] = np.array([sample["img_id"] for sample in self._frames], np.int64)
        arrays["counts"] = np.array([len(part) for part in columns["scores"]], np.int64)
        first = self._frames[0]
        store.write(VideoObservations(first["video_id"], arrays, first["thresholds"]))
        self._frames = []

    def evaluate(self, size: int) -> dict[str, float]:
        """Make sure that every video is there; no metric.

        Raises:
            InputError: Some are missing.
        """
        barrier()
        stored = set(self._store.videos) if self._store else set()
        missing = self._expected() - stored
        if missing:
            raise InputError(
                f"{self.out_dir}: {len(missing)} videos have no observations, the first: "
                f"{sorted(missing)[:5]}. Run the test again to continue."
            )
        return {}

    def _expected(self) -> set[int]:
        """Ids of all videos."""
        if self.evaluator is None:
            return {image["video_id"] for image in read_annotations(self.ann_file)["images"]}
        return set(range(len(find_videos(self.ann_file, self.evaluator).videos)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not used: :meth:`evaluate` looks at what :meth:`process` wrote."""
        return {}


def find_videos(ann_file: str | Path, evaluator: dict[str, Any]) -> VideoSet:
    """The videos of an annotation file as an evaluator reads them."""
    return build_evaluator(evaluator, str(ann_file), ["any"], out_dir="").videos()


def build_evaluator(
    evaluator: Mapping[str, Any], ann_file: str, vocabulary: Any, **options: Any
) -> VideoFilesMetric:
    """The metric that a store names.

    A store may come from a stranger: nothing is built but registered metrics of this kind.

    Args:
        evaluator: Its ``type``, and ``reader`` and ``benchmark`` where they are not the default.
        ann_file: Annotations of the videos.
        vocabulary: The classes.
        **options: Of the metric.

    Raises:
        InputError: There is no such metric.
    """
    found = METRICS.module_dict.get(str(evaluator.get("type")))
    named = {key: value for key, value in evaluator.items() if key in ("reader", "benchmark")}
    is_plain = all(isinstance(named.get(k, t()), t) for k, t in _KINDS.items())
    if found is None or not issubclass(found, VideoFilesMetric) or not is_plain:
        raise InputError(f"The observations name an evaluator that does not exist: {evaluator}.")
    return found(ann_file=ann_file, vocabulary=vocabulary, **{**named, **options})


def annotations_sha256(ann_file: str | Path, evaluator: dict[str, Any] | None) -> str:
    """Hash of what an evaluator reads of an annotation file."""
    if evaluator is None:
        return file_sha256(ann_file)
    return find_videos(ann_file, evaluator).content_sha256
