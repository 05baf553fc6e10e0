"""``vovtrack evaluate``: compare predictions with ground truth, and results with each other."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = "score predictions against ground truth, or compare reports"
EXAMPLES = (
    "vovtrack evaluate --gt val.json --pred tao_track.json --out a.json --html a.html",
    "vovtrack evaluate --benchmark mot17 --gt MOT17/train --pred results.zip --all-metrics",
    "vovtrack evaluate a.json b.json",
)
INPUTS = {"files": "a report to compare", "gt": "the ground truth", "pred": "the predictions"}
OUTPUTS = ("out", "html")
BENCHMARK_TABLE = """\
benchmarks       ground truth                                predictions
  tao-ov, tao    TAO annotations, JSON                       TAO results, JSON or columns
  mot17, mot20,  folder or .zip of <sequence>/gt/gt.txt      folder or .zip of <sequence>.txt
  dancetrack, sportsmot
  bdd100k        Scalabel JSON: file, folder or .zip         the same
  tapvid         points: .npz, official .pkl, or folder      points: .npz or folder
  sot            folder of sequences: OTB, NfS, UAV123,      folder or .zip of <sequence>.txt,
                 LaSOT, TrackingNet, GOT-10k or VOT          or a folder for each run
  vot            folder of VOT sequences                     folder or .zip of
                                                             <sequence>/<sequence>_001.txt
  davis          folder of Annotations and ImageSets         folder or .zip of mask PNGs
  lvis, coco     LVIS or COCO annotations, JSON              results in their form, JSON
JSON may also be packed as .json.gz or .zip.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.epilog = BENCHMARK_TABLE
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="reports to compare, or to join; with --gt: more predictions",
    )
    parser.add_argument("--benchmark", default="tao-ov", metavar="NAME", help="see below")
    parser.add_argument("--gt", type=Path, metavar="PATH", help="ground truth")
    parser.add_argument("--pred", type=Path, metavar="PATH", help="predictions")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the whole report here")
    parser.add_argument("--csv", type=Path, metavar="DIR", help="write tables for spreadsheets")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts")
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="draw scores over their thresholds, PNG (sot)"
    )
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument("--all-metrics", action="store_true", help="print every metric")
    parser.add_argument(
        "--rounded",
        action="store_true",
        help="average printed per-class values, as published base and novel tables do",
    )
    checks = parser.add_argument_group("what is evaluated")
    checks.add_argument(
        "--lenient",
        action="store_true",
        help="leave faulty records out, count and list them, instead of refusing the file",
    )
    checks.add_argument(
        "--classes",
        metavar="MASK",
        help="class mask of the tracker: tao_validation, tao_test, lvis_v1, a file or names; "
        "refused if it does not fit the ground truth; for coco, what is evaluated (coco_65)",
    )
    checks.add_argument("--split", metavar="NAME", help="refuse ground truth of another split")
    checks.add_argument(
        "--max-detections",
        type=int,
        metavar="N",
        help="keep the N highest scores per image (default: all)",
    )
    checks.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="further option of the benchmark, for example mode=strided for tapvid",
    )
    checks.add_argument(
        "--oracle", action="store_true", help="also score perfect boxes, labels and links"
    )
    work = parser.add_argument_group("scale and comparison")
    work.add_argument("--shards", type=int, default=1, metavar="N", help="number of processes")
    work.add_argument(
        "--shard", type=int, metavar="K", help="count only shard K of N (from 0), into --out"
    )
    work.add_argument("--merge", action="store_true", help="FILEs are the reports of all shards")
    work.add_argument("--resamples", type=int, default=1000, metavar="N", help="bootstrap draws")
    work.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")


def run(args: argparse.Namespace) -> int:
    """Evaluate, join or compare; print tables and write what was asked for."""
    from vovtrack.evaluation.reports.report import join_shards, read_report

    if args.gt or args.pred:
        reports = [_evaluate(args, pred) for pred in _predictions(args)]
        names = [str(pred) for pred in _predictions(args)]
        if args.shard is not None:
            return _write_shard(args, reports[0])
    elif args.files:
        names = [str(path) for path in args.files]
        reports = [read_report(path) for path in args.files]
        if args.merge:
            reports, names = [join_shards(reports, args.files)], ["merged"]
    else:
        raise _error("give --gt and --pred, or reports to compare. See --help.")
    for report, name in zip(reports, names, strict=True):
        if "shard" in report:
            raise _error(f"{name} is one shard of several: join them all with --merge.")
        if len(reports) == 1 or args.gt:
            _print(args, report, name if len(reports) > 1 else "")
    comparison = _compare(args, reports, names) if len(reports) > 1 else None
    _write(args, reports, names, comparison)
    return 0


def _error(message: str) -> Exception:
    from vovtrack.errors import InputError

    return InputError(message)


def _predictions(args: argparse.Namespace) -> list[Path]:
    if not args.gt:
        raise _error("--pred needs --gt, the ground truth to compare with.")
    preds = ([args.pred] if args.pred else []) + args.files
    if not preds:
        raise _error("--gt needs --pred, the predictions to evaluate.")
    if args.merge or (args.shard is not None and (len(preds) > 1 or not args.out)):
        raise _error("--shard takes one --pred and an --out; --merge takes reports only.")
    return preds


def _evaluate(args: argparse.Namespace, pred: Path) -> dict[str, Any]:
    from vovtrack.evaluation import evaluate

    return evaluate(
        args.benchmark,
        args.gt,
        pred,
        lenient=args.lenient,
        shards=args.shards,
        shard=args.shard,
        oracle=args.oracle,
        progress=_progress("videos"),
        **_options(args),
    )


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Options of the benchmark that were given."""
    named = {key: getattr(args, key) for key in ("classes", "split", "max_detections")}
    options = {key: value for key, value in named.items() if value is not None}
    for text in args.option:
        key, sign, value = text.partition("=")
        if not sign:
            raise _error(f"--option {text}: expected KEY=VALUE.")
        options[key] = value
    return options


def _progress(unit: str):
    """A bar on stderr with rate and remaining time, shown where somebody looks."""
    import sys

    from tqdm import tqdm

    bar = tqdm(unit=f" {unit}", leave=False, disable=not sys.stderr.isatty(), delay=1)

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return show


def _print(args: argparse.Namespace, report: dict[str, Any], title: str) -> None:
    import sys

    from vovtrack.evaluation.reports import tables

    layout = tables.markdown_table if args.markdown else tables.text_table
    if title:
        print(f"{title}:")
    metrics = None if args.all_metrics or args.benchmark == "tao-ov" else report["headline"]
    print(layout(*tables.summary_rows(report, args.rounded, metrics)))
    for key, word in (("per_run", "run"), ("per_attribute", "attribute")):
        if report.get(key):
            print("\n" + layout(*tables.named_rows(report, key, word)))
    if "oracle" in report:
        print("\nWhere the points are lost:\n" + layout(*tables.oracle_rows(report)))
    if report["dropped"]:
        print(tables.text_table(*tables.dropped_rows(report)), file=sys.stderr)


def _compare(
    args: argparse.Namespace, reports: list[dict[str, Any]], names: list[str]
) -> dict[str, Any]:
    from vovtrack.evaluation import compare
    from vovtrack.evaluation.reports import tables

    result = compare(
        reports, names, args.resamples, seed=args.seed, progress=_progress("resamples")
    )
    layout = tables.markdown_table if args.markdown else tables.text_table
    print(layout(*tables.comparison_rows(result)))
    return result


def _write_shard(args: argparse.Namespace, report: dict[str, Any]) -> int:
    from vovtrack.evaluation.reports.report import write_report

    write_report(report, args.out)
    print(f"{args.out}: shard {report['shard']['index']} of {report['shard']['of']}")
    return 0


def _write(
    args: argparse.Namespace,
    reports: list[dict[str, Any]],
    names: list[str],
    comparison: dict[str, Any] | None,
) -> None:
    result = reports[0] if comparison is None else {**reports[0], "comparison": comparison}
    if args.out:
        from vovtrack.evaluation.reports.report import write_report

        write_report(result, args.out)
    if args.csv:
        from vovtrack.evaluation.reports.csv_tables import write_csv

        write_csv(result, args.csv)
    if args.html:
        from vovtrack.evaluation.reports.page import write_page

        write_page(reports, args.html, names, comparison)
    if args.plots:
        _plot(args.plots, reports, names)


def _plot(folder: Path, reports: list[dict[str, Any]], names: list[str]) -> None:
    """One picture for each curve, with a line for each report."""
    from vovtrack.visualization.curves import plot_curves

    for report, name in zip(reports, names, strict=True):
        if not report.get("curves"):
            raise _error(f"--plots: {name} ({report['benchmark']}) has no scores over thresholds.")
    for k, first in enumerate(reports[0]["curves"]):
        lines = {}
        for report, name in zip(reports, names, strict=True):
            curve, scores = report["curves"][k], report["summary"]["all"]
            score = f"{scores[first['metric']]:.1f}" if scores else "-"
            lines[f"{Path(name).stem} [{score}]"] = (curve["places"], curve["values"])
        path = folder / f"{first['metric']}.png"
        plot_curves(lines, path, first["label"])
        print(path)
