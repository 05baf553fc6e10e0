"""The benchmarks by name: how their files are opened and how their counts are scored."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

from vovtrack.errors import InputError, did_you_mean
from vovtrack.evaluation.benchmarks.base import Source, WholeSource
from vovtrack.evaluation.scores.statistics import MetricFamily
from vovtrack.formats.faults import InputFaults


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: As typed.
        module: Module with ``open_source``, as ``importlib`` names it: ``.tao`` here, or a dotted
            name of another package.
        headline: Metrics shown first.
        options: Arguments of ``open_source`` that belong to the name.
    """

    name: str
    module: str
    headline: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(
        self, gt: Path, pred: Path, problems: InputFaults, **options: Any
    ) -> Source | WholeSource:
        """Open and check the files.

        Args:
            gt: Ground truth.
            pred: Predictions.
            problems: What happens to faulty records.
            **options: Further arguments of the module's ``open_source``.

        Raises:
            InputError: Unusable files, or an option that the benchmark does not have.
        """
        open_source = importlib.import_module(self.module, __name__).open_source
        known = [p for p in signature(open_source).parameters.values() if p.kind == p.KEYWORD_ONLY]
        free = [p.name for p in known if p.name not in self.options]
        if unknown := [name for name in options if name not in free]:
            raise InputError(
                f"{self.name} has no option '{unknown[0]}'; it has {', '.join(free) or 'none'}."
            )
        return open_source(gt, pred, problems, **{**self.options, **options})


_TETA = ("TETA", "LocA", "AssocA", "ClsA")
_MOT = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW")

BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("tao-ov", ".tao", _TETA),
        Benchmark(
            "tao",
            ".tao",
            (*_TETA, "TrackAP", "TrackAP50", "TrackAP75"),
            {"novel": False, "track_iou": "papers"},
        ),
        *(
            Benchmark(name, ".mot", _MOT, {"benchmark": name})
            for name in ("mot17", "mot20", "dancetrack", "sportsmot")
        ),
        Benchmark("bdd100k", ".bdd100k", ("mMOTA", "mIDF1", "HOTA", "TETA")),
        Benchmark("tapvid", ".tapvid", ("AJ", "delta_avg", "OA")),
        Benchmark("sot", ".sot", ("AUC", "Precision", "NormPrecision")),
        Benchmark("vot", ".vot", ("EAO", "Accuracy", "Robustness")),
        Benchmark("davis", ".davis", ("J&F", "J", "F")),
        Benchmark("lvis", ".lvis", ("AP", "AP50", "APr", "APc", "APf")),
        Benchmark("coco", ".coco", ("AP", "AP50", "AP75")),
    )
}


def find_benchmark(name: str) -> Benchmark:
    """Look up a benchmark by name.

    Raises:
        InputError: There is none; the message lists near ones.
    """
    if name not in BENCHMARKS:
        hint = did_you_mean(name, BENCHMARKS) or f" Choose one of {', '.join(BENCHMARKS)}."
        raise InputError(f"There is no benchmark '{name}'.{hint}")
    return BENCHMARKS[name]


def find_family(name: str) -> MetricFamily:
    """Look up how the rows of a family are scored.

    Raises:
        InputError: There is none of that name.
    """
    if name not in FAMILIES:
        raise InputError(f"Counts of an unknown metric '{name}'; made by a newer version?")
    module, constant = FAMILIES[name]
    return getattr(importlib.import_module(module, __name__), constant)


FAMILIES: dict[str, tuple[str, str]] = {
    "teta": ("..scores.teta", "TETA"),
    "track_ap": ("..scores.track_ap", "TRACK_AP"),
    "track_ap_coco": ("..scores.track_ap", "TRACK_AP_COCO"),
    "hota": ("..scores.hota", "HOTA"),
    "clear": ("..scores.clear", "CLEAR"),
    "identity": ("..scores.identity", "IDENTITY"),
    "tapvid": ("..scores.points", "TAPVID"),
    "sot": ("..scores.single_object", "SOT"),
    "got10k": ("..scores.single_object", "GOT10K"),
    "vot": ("..scores.vot", "VOT"),
    "davis": ("..scores.masks", "DAVIS"),
    "bdd_mot": (".bdd100k", "BDD_MOT"),
    "bdd_hota": (".bdd100k", "BDD_HOTA"),
    "bdd_teta": (".bdd100k", "BDD_TETA"),
}
"""Module and constant of each metric family, by the name that its counts carry."""

__all__ = [
    "BENCHMARKS",
    "FAMILIES",
    "Benchmark",
    "Source",
    "WholeSource",
    "find_benchmark",
    "find_family",
]
