"""An evaluation report as one page: numbers, charts, the worst videos, and what was evaluated.

The page is a single file that loads nothing from elsewhere. Reports may come from strangers, so
their content is data in a block that no browser runs, and one script, whose hash the page's
security policy names, writes it into the document as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from vovtrack.files.atomic import atomic_write

_SHOWN = (
    *("benchmark", "headline", "totals", "summary", "per_class", "per_video"),
    *("protocol", "dropped", "oracle", "per_attribute", "per_run", "curves"),
)
"""What the page needs of a report; its counts stay behind."""


def write_page(
    reports: Sequence[Mapping[str, Any]],
    path: str | Path,
    names: Sequence[str] = ("",),
    comparison: Mapping[str, Any] | None = None,
    media: Mapping[str, str] | None = None,
) -> None:
    """Write the page of reports, complete or not at all; see :func:`evaluation_page`."""
    with atomic_write(path) as file:
        file.write(evaluation_page(reports, names, comparison, media))


def evaluation_page(
    reports: Sequence[Mapping[str, Any]],
    names: Sequence[str] = ("",),
    comparison: Mapping[str, Any] | None = None,
    media: Mapping[str, str] | None = None,
) -> str:
    """Lay out reports as HTML.

    Args:
        reports: What :func:`vovtrack.evaluation.pipeline.evaluate` returned, one or more.
        names: What to call them.
        comparison: What :func:`vovtrack.evaluation.reports.comparison.compare` returned for them.
        media: For some videos the relative address of a picture or film, to which they link.
    """
    parts = [
        dict(name=name, report={key: report[key] for key in _SHOWN if key in report})
        for name, report in zip(names, reports, strict=True)
    ]
    data = dict(reports=parts, comparison=comparison, media=dict(media or {}))
    style, script = (_read(f"page.{kind}") for kind in ("css", "js"))
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{escape(str(reports[0]['benchmark']))}</title>\n<style>{style}</style>\n</head>\n"
        "<body>\n<main><noscript>This page shows its numbers by a script of its own; "
        "'vovtrack evaluate FILE.json' prints them.</noscript></main>\n"
        f'<script type="application/json" id="data">{_as_data(data)}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _as_data(value: Any) -> str:
    """JSON in which nothing can end the block that holds it."""
    text = json.dumps(value, allow_nan=False)  # ASCII only: line separators are escaped
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """The name of an inline block in a content security policy."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
