"""TETA at the size of TAO: ours against the published algorithm, reading included.

    python tools/benchmarks/evaluation.py [--videos 100 300 988] [--reference 100]

Writes box sets (``vovtrack synth --boxes-only``) into a temporary folder. For sets of up to
``--reference`` videos the published algorithm runs in the same process on the same boxes, and the
counters must be equal; its reading is ``json.load`` and one dict per box, as published.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from arguments import parse
from teta_reference import reference_counts

from vovtrack.evaluation.benchmarks import find_benchmark
from vovtrack.evaluation.pipeline import count, divide
from vovtrack.evaluation.reports.report import make_report
from vovtrack.formats.faults import InputFaults
from vovtrack.synthetic.boxes_only import write_boxes


def measure(gt: Path, pred: Path, shards: int, reference: bool) -> dict[str, float]:
    """Open, count and score once; seconds and the peak memory of this process in MB."""
    benchmark = find_benchmark("tao-ov")
    times = [time.perf_counter()]
    source = benchmark.open(gt, pred, InputFaults())
    times.append(time.perf_counter())
    counts = count(source, divide(source.sizes, shards))
    report = make_report(benchmark, counts, source.protocol)
    times.append(time.perf_counter())
    found = dict(
        boxes=report["protocol"]["boxes"]["predicted"],
        read=times[1] - times[0],
        evaluate=times[2] - times[1],
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
    if reference:
        found |= compare(gt, pred, source, counts["teta"])
    return found


def compare(gt: Path, pred: Path, source, counts) -> dict[str, float]:
    """The published algorithm on the same boxes; stops if a counter differs."""
    start = time.perf_counter()
    for path in (gt, pred):
        json.loads(path.read_text())
    read = time.perf_counter() - start
    start = time.perf_counter()
    videos = len(source.videos)
    totals = reference_counts(source.gt, source.dt, videos, source.category_ids)
    seconds = time.perf_counter() - start
    for name, rows in totals.items():
        ours = counts.columns[name][:, 0] if name == "assoc" else counts.columns[name]
        sums = np.zeros_like(rows)
        np.add.at(sums, counts.label, ours)
        assert np.allclose(sums, rows, rtol=1e-12, atol=1e-9), f"{name} differs"
    return dict(reference_read=read, reference=seconds)


def main() -> None:
    """Print a table of seconds, memory and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, nargs="+", default=[100, 300, 988])
    parser.add_argument("--reference", type=int, default=100, help="largest set for the reference")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the box sets here")
    args = parse(parser, videos=[4], reference=4)
    print(
        "videos   boxes  input    read  evaluate    MB  published: read  evaluate  ratio  (total)"
    )
    with tempfile.TemporaryDirectory() as temporary:
        for videos in args.videos:
            folder = (args.folder or Path(temporary)) / str(videos)
            if not (folder / "gt.json").exists():
                write_boxes(folder, videos)
            for name in ("pred.json", "pred.columns.safetensors"):
                reference = videos <= args.reference and name == "pred.json"
                # A process of its own, so that its peak memory is this evaluation's.
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    words = (folder / "gt.json", folder / name, args.shards, reference)
                    found = pool.apply(measure, words)
                print(row(videos, name, found), flush=True)


def row(videos: int, name: str, found: dict[str, float]) -> str:
    """One line of the table."""
    kind = "JSON" if name.endswith(".json") else "columns"
    line = (
        f"{videos:6d} {found['boxes']:7d} {kind:>6} {found['read']:7.2f} {found['evaluate']:9.2f}"
        f" {found['megabytes']:5.0f}"
    )
    if "reference" in found:
        ratio = found["reference"] / found["evaluate"]
        total = (found["reference"] + found["reference_read"]) / (found["read"] + found["evaluate"])
        line += f" {found['reference_read']:16.2f} {found['reference']:9.2f} {ratio:6.0f}"
        line += f" {total:8.1f}"
    return line


if __name__ == "__main__":
    main()
