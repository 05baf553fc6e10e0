"""VOT with restarts: expected average overlap, accuracy and robustness."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vovtrack.errors import InputError
from vovtrack.evaluation.benchmarks.base import provenance
from vovtrack.evaluation.scores.regions import region_overlap
from vovtrack.evaluation.scores.statistics import Statistics, from_videos
from vovtrack.evaluation.scores.vot import BURN_IN, INTERVAL, VOT, count_run, empty_columns
from vovtrack.files.archives import FileTree
from vovtrack.files.hashing import tree_sha256
from vovtrack.formats.faults import InputFaults
from vovtrack.formats.single_object import SotSequence, read_ground_truth
from vovtrack.formats.single_object_layouts import list_images
from vovtrack.formats.vot import REGION, Regions, read_regions, read_restarts


@dataclass(frozen=True)
class VotSource:
    """Opened sequences, see :class:`vovtrack.evaluation.benchmarks.base.Source`.

    Attributes:
        truth: (T, 8) corners of each sequence.
        image_sizes: (width, height) of the images of each sequence, None where not known.
        runs: For each repetition the result of each sequence, None where there is none.
        interval: First and last length of the curve whose mean is EAO.
    """

    videos: tuple[str, ...]
    sizes: np.ndarray
    families: tuple[str, ...]
    protocol: dict[str, Any]
    truth: tuple[np.ndarray, ...]
    image_sizes: tuple[tuple[int, int] | None, ...]
    runs: dict[str, list[Regions | None]]
    interval: tuple[int, int]

    def count(self, first: int, last: int) -> dict[str, Statistics]:
        """Count sequences ``first`` to ``last - 1``."""
        rows = [self._row(place) for place in range(first, last)]
        empty = empty_columns(self.interval)
        label = np.zeros(1, dtype=np.int64)
        counted = [(label, row) if row else (label[:0], empty) for row in rows]
        videos = self.videos[first:last]
        return {VOT.name: from_videos(VOT.name, videos, ("target",), None, counted, empty)}

    def _row(self, place: int) -> dict[str, np.ndarray]:
        """Sum over the repetitions; empty where there are none."""
        total: dict[str, np.ndarray] = {}
        for run, results in self.runs.items():
            if (found := results[place]) is None:
                continue
            region = found.codes == REGION
            overlaps = np.zeros(len(region))
            overlaps[region] = region_overlap(
                found.corners[region], self.truth[place][region], self.image_sizes[place]
            )
            try:
                row = count_run(found.codes, overlaps, self.interval)
            except InputError as error:
                named = f", repetition {run}" if run else ""
                raise InputError(f"Sequence '{self.videos[place]}'{named}: {error}") from None
            total = {name: column + total.get(name, 0) for name, column in row.items()}
        return total


def open_source(
    gt: Path,
    pred: Path,
    problems: InputFaults,
    *,
    interval: str = f"{INTERVAL[0]}-{INTERVAL[1]}",
    names: str | None = None,
) -> VotSource:
    """Open ground truth and results.

    Args:
        gt: Folder or ``.zip`` of ``<sequence>/groundtruth.txt``, a box or four corners per frame.
            Regions are cut at the border of the image where images lie beside it.
        pred: Folder or ``.zip`` of ``<sequence>/<sequence>_001.txt`` and further repetitions, whose
            fragments are pooled; see :mod:`vovtrack.formats.vot`.
        problems: What happens to missing, unknown and wrongly long sequences, which are left out.
        interval: First and last length of the curve whose mean is EAO, in frames.
        names: File with the names of the sequences to evaluate, one in a line; default: all.

    Raises:
        InputError: Unusable files, or an interval that is not one.
    """
    lengths = _interval(interval)
    sequences = read_ground_truth(gt, names)
    tree = FileTree(gt)
    truth = tuple(_truth(tree, sequence) for sequence in sequences)
    image_sizes = tuple(_image_size(gt, sequence) for sequence in sequences)
    runs = read_restarts(pred, sequences, problems)
    frames = np.array([len(regions) for regions in truth])
    return VotSource(
        videos=tuple(sequence.name for sequence in sequences),
        sizes=frames,
        families=(VOT.name,),
        protocol={
            **provenance(gt, pred, tree_sha256),
            "videos": len(sequences),
            "frames": int(frames.sum()),
            "interval": list(lengths),
            "burn_in": BURN_IN,
            "cut_at_the_image": sum(size is not None for size in image_sizes),
            "repetitions": list(runs),
        },
        truth=truth,
        image_sizes=image_sizes,
        runs=runs,
        interval=lengths,
    )


def _interval(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})-(\d{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"interval={text}: expected two lengths in frames, for example 100-356.")
    return int(match[1]), int(match[2])


def _truth(tree: FileTree, sequence: SotSequence) -> np.ndarray:
    regions = read_regions(tree, sequence.files.boxes)
    if len(codes := np.flatnonzero(regions.codes != REGION)):
        raise InputError(
            f"{tree.path}/{sequence.files.boxes}: region {codes[0] + 1} is a code; this benchmark "
            "has a region in each frame."
        )
    return regions.corners


def _image_size(gt: Path, sequence: SotSequence) -> tuple[int, int] | None:
    """Of the first image, where there is one."""
    if not Path(gt).is_dir():
        return None
    try:
        first = list_images(Path(gt), sequence.files, len(sequence.bboxes))[0]
    except InputError:
        return None
    try:
        with Image.open(Path(gt) / first) as image:
            return image.size
    except OSError:
        raise InputError(f"{gt}/{first}: cannot be read as an image: replace the file.") from None
