"""Associations on stored observations with many settings, one after the other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from vovtrack.engine.finished import read_finished, write_finished
from vovtrack.engine.packaged_trackers import find_tracker
from vovtrack.engine.replay import replay
from vovtrack.engine.replay_detections import replay_detections
from vovtrack.errors import InputError
from vovtrack.evaluation.metrics.video_files import SUBMISSION, TRACKS
from vovtrack.formats.mot.detections import MotDetections
from vovtrack.formats.observations import ObservationStore
from vovtrack.formats.tao.columns import columns_path

RESULTS = ("tao_track.json", "tao_bbox.json", SUBMISSION)

Stored = ObservationStore | MotDetections
"""Detections that a tracker can be run on."""


def open_stored(folder: str | Path) -> Stored:
    """The detections of a folder.

    Raises:
        InputError: There are none.
    """
    found = MotDetections if MotDetections.lie_in(folder) else ObservationStore
    return found(folder)


@dataclass(frozen=True)
class Setting:
    """One association of a grid.

    Attributes:
        store: The detections.
        tracker: Name of the tracker.
        options: ``key=value`` texts that change it.
        max_boxes: Detections of each frame that it is given; None gives all.
        labels: What tells it apart in a table, by heading.
    """

    store: Stored
    tracker: str
    options: tuple[str, ...]
    max_boxes: int | None
    labels: Mapping[str, str]

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return ",".join(
            value if name in ("observations", "tracker") else f"{name}={value}"
            for name, value in self.labels.items()
        )


def settings(
    stores: Mapping[str, Stored],
    trackers: Mapping[str, str],
    grid: Mapping[str, Sequence[str]],
    max_boxes: Sequence[int] = (),
) -> Iterator[Setting]:
    """All combinations of stores, trackers, values of options and numbers of boxes.

    Args:
        stores: Observations by name, for example of several checkpoints.
        trackers: Trackers, see :func:`find_tracker`, by name.
        grid: Values to try by option, for example of ``model.tracker.match_score_thr``.
        max_boxes: Numbers of boxes to try; none takes all that were stored.
    """
    short = [key.rpartition(".")[2] for key in grid]
    headings = short if len(set(short)) == len(short) else list(grid)
    limits: list[int | None] = [*max_boxes] or [None]
    for store, tracker, values, boxes in product(stores, trackers, product(*grid.values()), limits):
        labels = {"observations": store} if len(stores) > 1 else {}
        labels |= {"tracker": tracker, **dict(zip(headings, values, strict=True))}
        labels |= {} if boxes is None else {"boxes": str(boxes)}
        options = tuple(f"{key}={value}" for key, value in zip(grid, values, strict=True))
        yield Setting(stores[store], trackers[tracker], options, boxes, labels)


def run_setting(
    setting: Setting,
    out: str | Path,
    cfg_options: Sequence[str] = (),
    trust_config: bool = False,
    keep_results: bool = True,
    **arguments,
) -> dict[str, float]:
    """Replay one setting, unless it has been finished before.

    Args:
        setting: What to run.
        out: Gets a folder for it, with its metrics and the report of the evaluation.
        cfg_options: Options for all settings; those of the setting come after them.
        trust_config: As for :func:`find_tracker`.
        keep_results: Leave the result files there, which are large.
        **arguments: Of :func:`replay` or :func:`replay_detections`.

    Returns:
        Metric name -> value, see there.
    """
    folder = Path(out) / setting.folder
    tracker = find_tracker(setting.tracker, [*cfg_options, *setting.options], trust_config)
    facts = dict(
        observations=setting.store.content_sha256,
        tracker=tracker,
        max_boxes=setting.max_boxes,
        **{name: arguments.get(name) for name in ("benchmarks", "category_vote")},
    )
    run = json.dumps(facts, sort_keys=True)
    metrics = None if keep_results else read_finished(folder, run)
    if metrics is not None:
        return metrics
    arguments |= dict(max_boxes=setting.max_boxes)
    if isinstance(setting.store, MotDetections):
        arguments.pop("category_vote", None)  # they have one class
        metrics = replay_detections(setting.store, tracker, folder, **arguments)
    else:
        metrics = replay(setting.store, tracker, folder, **arguments)
    if not keep_results:
        for path in (folder / name for name in RESULTS):
            path.unlink(missing_ok=True)
            columns_path(path).unlink(missing_ok=True)
        shutil.rmtree(folder / TRACKS, ignore_errors=True)
        write_finished(folder, run, metrics)
    return metrics


def parse_grid(texts: Sequence[str]) -> dict[str, list[str]]:
    """Values by option from texts ``key=value,value,...``.

    Raises:
        InputError: Another form, or an option twice.
    """
    grid: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        found = [value.strip() for value in values.split(",") if value.strip()]
        if not equals or not key or not found:
            raise InputError(f"--grid {text}: expected KEY=VALUE,VALUE,...")
        if key in grid:
            raise InputError(f"--grid names {key} twice.")
        grid[key] = found
    return grid
