"""An evaluation report as one page: numbers, charts, the worst videos, and what was evaluated.

The page is a single file without scripts or fonts from elsewhere. It can be read without
JavaScript, which only sorts and filters the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from vovtrack.files.atomic import atomic_write

_WORST = 10  # videos in the list of the worst
_BINS = 20  # columns of the histogram
_HASH = 12  # shown digits of a hash


def write_page(
    report: Mapping[str, Any], path: str | Path, media: Mapping[str, str] | None = None
) -> None:
    """Write the page of a report, complete or not at all; see :func:`evaluation_page`."""
    with atomic_write(path) as file:
        file.write(evaluation_page(report, media))


def worst_videos(report: Mapping[str, Any], count: int = _WORST) -> list[str]:
    """Names of the videos with the lowest score, the worst first."""
    main = report["headline"][0]
    scored = [(s[main], name) for name, s in report["per_video"].items() if _has(s, main)]
    return [name for _, name in sorted(scored)[:count]]


def evaluation_page(report: Mapping[str, Any], media: Mapping[str, str] | None = None) -> str:
    """Lay out a report as HTML.

    Args:
        report: What :func:`vovtrack.evaluation.pipeline.evaluate` returned, or such a report with
            ``comparison``.
        media: For some videos the address of a picture or film, to which their names link.
    """
    sections = [
        _comparison(report),
        _cards(report),
        _dropped(report),
        _oracle(report),
        _classes(report),
        _videos(report, media or {}),
        _protocol(report),
    ]
    title = f"{report['benchmark']}: {_value(report, 'all', report['headline'][0])}"
    folder = files(__package__)
    style, script = (
        (folder / f"evaluation_page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")
    )
    return (
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>Evaluation on {escape(report['benchmark'])}</h1>\n"
        f"<p class='faint'>{escape(str(report['protocol'].get('predictions', '')))}</p>\n"
        + "\n".join(section for section in sections if section)
        + f"\n</main>\n<script>\n{script}</script>\n</body>\n</html>\n"
    )


def _has(scores: Mapping[str, Any] | None, metric: str) -> bool:
    return scores is not None and scores.get(metric) is not None


def _number(report: Mapping[str, Any], metric: str, value: float | None, digits: int = 1) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if metric in report.get("totals", ()) else f"{value:.{digits}f}"


def _value(report: Mapping[str, Any], group: str, metric: str) -> str:
    scores = report["summary"].get(group) or {}
    return _number(report, metric, scores.get(metric))


def _cards(report: Mapping[str, Any]) -> str:
    """The headline numbers, one card per group."""
    main, *others = report["headline"]
    counts = report["protocol"].get("classes_evaluated", {})
    cards = []
    for group, scores in report["summary"].items():
        amount = f" ({counts[group]} classes)" if counts.get(group, 0) > 1 else ""
        rest = "".join(
            f"<div><dt>{escape(metric)}</dt> <dd>{_value(report, group, metric)}</dd></div>"
            for metric in others
            if _has(scores, metric)
        )
        cards.append(
            f"<section class='card'><h3>{escape(group)}{amount}</h3>"
            f"<div class='big'>{_value(report, group, main)} <small>{escape(main)}</small></div>"
            f"<dl>{rest}</dl></section>"
        )
    return f"<div class='cards'>{''.join(cards)}</div>"


def _dropped(report: Mapping[str, Any]) -> str:
    """What a lenient reader left out."""
    if not report["dropped"]:
        return ""
    items = "".join(
        f"<li>{entry['count']} records of {escape(entry['file'])}: {escape(entry['reason'])}"
        f"<br><span class='faint'>{escape(', '.join(entry['examples'][:3]))}</span></li>"
        for entry in report["dropped"]
    )
    total = sum(entry["count"] for entry in report["dropped"])
    return f"<section class='warn'><h2>{total} records were left out</h2><ul>{items}</ul></section>"


def _bar(value: float | None, novel: bool = False) -> str:
    if value is None:
        return "<td class='bar'></td>"
    width = min(max(value, 0.0), 100.0)
    kind = " class='novel'" if novel else ""
    return (
        f"<td class='bar' data-value='{value:.4f}'><span class='track' aria-hidden='true'>"
        f"<span{kind} style='width:{width:.1f}%'></span></span></td>"
    )


def _table(
    name: str, caption: str, header: Sequence[str], rows: Sequence[str], sortable: bool
) -> str:
    cells = "".join(
        f"<th scope='col'><button type='button'>{escape(word)}</button></th>"
        if sortable
        else f"<th scope='col'>{escape(word)}</th>"
        for word in header
    )
    kind = " class='sortable'" if sortable else ""
    return (
        f"<div class='scroll' tabindex='0' role='region' aria-label='{escape(caption)}'>"
        f"<table id='{name}'{kind}><caption>{escape(caption)}</caption>"
        f"<thead><tr>{cells}</tr></thead><tbody>\n{''.join(rows)}</tbody></table></div>"
    )


def _filter(table: str, what: str) -> str:
    return (
        f"<p><input type='search' hidden data-table='{table}' placeholder='Filter {what}' "
        f"aria-label='Filter {what}'></p>"
    )


def _score_row(
    report: Mapping[str, Any], label: str, scores: Mapping[str, Any], attributes: str = ""
) -> str:
    """A row of a name, a bar of the first metric, and the others as numbers."""
    main = report["headline"][0]
    novel = scores.get("group") == "novel"
    cells = [f"<td>{label}</td>", _bar(scores.get(main), novel)]
    cells += [
        f"<td>{_number(report, metric, scores.get(metric))}</td>" for metric in report["headline"]
    ]
    if "group" in scores:
        cells.append(f"<td>{scores['group']}</td>")
    return f"<tr{attributes}>{''.join(cells)}</tr>\n"


def _classes(report: Mapping[str, Any]) -> str:
    """Bars by class, best first."""
    if len(report["per_class"]) < 2:
        return ""
    main = report["headline"][0]
    entries = sorted(report["per_class"].items(), key=lambda item: -(item[1].get(main) or 0.0))
    split = any("group" in scores for _, scores in entries)
    header = ["class", f"{main} (bar)", *report["headline"], *(["group"] if split else [])]
    rows = [_score_row(report, escape(name), scores) for name, scores in entries]
    key = (
        "<p class='faint'><span class='key'></span> base, "
        "<span class='key novel'></span> novel (striped)</p>"
        if split
        else ""
    )
    table = _table("classes", f"{len(rows)} classes by {main}", header, rows, sortable=True)
    return f"<h2>Classes</h2>{key}{_filter('classes', 'classes')}{table}"


def _videos(report: Mapping[str, Any], media: Mapping[str, str]) -> str:
    """Histogram, the worst videos with links to their rows, and all videos, worst first."""
    main = report["headline"][0]
    scored = {name: s for name, s in report["per_video"].items() if _has(s, main)}
    if not scored:
        return ""
    order = sorted(scored, key=lambda name: scored[name][main])
    place = {name: f"video-{k}" for k, name in enumerate(order)}
    worst = "".join(
        f"<li><a href='#{place[name]}'>{escape(name)}</a> "
        f"{_number(report, main, scored[name][main])}{_medium(media.get(name))}</li>"
        for name in worst_videos(report)
    )
    rows = [
        _score_row(report, escape(name), scored[name], f" id='{place[name]}'") for name in order
    ]
    header = ["video", f"{main} (bar)", *report["headline"]]
    table = _table("videos", f"{len(rows)} videos, lowest {main} first", header, rows, True)
    silent = len(report["per_video"]) - len(scored)
    note = f"<p class='faint'>{silent} videos have no ground truth.</p>" if silent else ""
    return (
        f"<h2>Videos</h2>{_histogram([scored[name][main] for name in order], main)}"
        f"<h3>Worst videos</h3><ol>{worst}</ol>{note}{_filter('videos', 'videos')}{table}"
    )


def _medium(address: str | None) -> str:
    return f" <a href='{escape(address)}'>look</a>" if address else ""


def _histogram(values: Sequence[float], metric: str) -> str:
    """Number of videos by score, as a picture."""
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, max(0, int(value * _BINS / 100)))] += 1
    highest, width, height = max(counts), 600, 140
    step = width / _BINS
    columns = "".join(
        f"<rect class='column' x='{k * step + 1:.1f}' y='{height - height * c / highest:.1f}' "
        f"width='{step - 2:.1f}' height='{height * c / highest:.1f}'>"
        f"<title>{100 * k // _BINS} to {100 * (k + 1) // _BINS}: {c} videos</title></rect>"
        for k, c in enumerate(counts)
        if c
    )
    marks = "".join(
        f"<text x='{min(width * at / 100, width - 22):.0f}' y='{height + 16}'>{at}</text>"
        for at in (0, 25, 50, 75, 100)
    )
    label = f"Histogram of {metric} over {len(values)} videos"
    return (
        f"<svg viewBox='0 0 {width} {height + 22}' role='img' aria-label='{escape(label)}'>"
        f"{columns}<line class='axis' x1='0' y1='{height}' x2='{width}' y2='{height}'/>"
        f"{marks}</svg>"
    )


def _oracle(report: Mapping[str, Any]) -> str:
    """What the score would be with one kind of mistake taken away."""
    if "oracle" not in report:
        return ""
    main = report["headline"][0]
    rows = []
    for group in report["summary"]:
        tracked = None
        for row in report["oracle"]["rows"]:
            scores = row["summary"].get(group)
            if not _has(scores, main):
                continue
            tracked = scores[main] if tracked is None else tracked
            gain = scores[main] - tracked
            cells = "".join(
                f"<td>{_number(report, metric, scores.get(metric))}</td>"
                for metric in report["headline"]
            )
            rows.append(
                f"<tr><td>{escape(row['name'])}</td><td>{escape(group)}</td>"
                f"{_bar(scores[main], group == 'novel')}{cells}<td>{gain:+.1f}</td></tr>\n"
            )
    header = ["predictions", "classes", f"{main} (bar)", *report["headline"], "gain"]
    caption = "The same run with perfect boxes, labels or links"
    return "<h2>Where the points are lost</h2>" + _table("oracle", caption, header, rows, False)


def _comparison(report: Mapping[str, Any]) -> str:
    """Differences with their confidence intervals."""
    comparison = report.get("comparison")
    if not comparison:
        return ""
    entries = [
        (group, metric, entry)
        for group, metrics in comparison["groups"].items()
        for metric, row in metrics.items()
        for entry in row
        if "difference" in entry
    ]
    reach = max((max(abs(e["low"]), abs(e["high"])) for *_, e in entries), default=0) or 1
    rows = [
        f"<tr><td>{escape(entry['name'])}</td><td>{escape(group)}</td><td>{escape(metric)}</td>"
        f"<td>{entry['value']:.2f}</td><td>{entry['difference']:+.2f}</td>"
        f"<td>{_interval(entry, reach)}</td>"
        f"<td>{entry['low']:+.2f} to {entry['high']:+.2f}</td><td>{entry['p']:.3f}</td></tr>\n"
        for group, metric, entry in entries
    ]
    percent = f"{100 * comparison['confidence']:g} %"
    header = ["report", "classes", "metric", "value", "difference", "interval", percent, "p"]
    caption = (
        f"Difference to {comparison['reference']}; paired bootstrap, {comparison['resamples']} "
        f"resamples of {comparison['videos']} videos"
    )
    return "<h2>Comparison</h2>" + _table("comparison", caption, header, rows, False)


def _interval(entry: Mapping[str, Any], reach: float) -> str:
    low, middle, high = (60 + 55 * entry[key] / reach for key in ("low", "difference", "high"))
    return (
        "<svg viewBox='0 0 120 16' style='min-width:7rem;max-width:9rem' aria-hidden='true'>"
        "<line class='axis' x1='60' y1='0' x2='60' y2='16'/>"
        f"<rect class='column' x='{low:.1f}' y='6' width='{max(high - low, 1):.1f}' height='4'/>"
        f"<rect class='column' x='{middle - 1.5:.1f}' y='2' width='3' height='12'/></svg>"
    )


def _protocol(report: Mapping[str, Any]) -> str:
    """What exactly was evaluated."""
    items = "".join(
        f"<dt>{escape(key)}</dt><dd{_full(value)}>{escape(_shown(key, value))}</dd>"
        for key, value in report["protocol"].items()
        if value not in (None, {}, "")
    )
    return f"<h2>Protocol</h2><dl class='protocol'>{items}</dl>"


def _shown(key: str, value: Any) -> str:
    if key.endswith("sha256"):
        return f"{value[:_HASH]}…"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_shown(name, item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def _full(value: Any) -> str:
    return f" title='{escape(value)}'" if isinstance(value, str) else ""
