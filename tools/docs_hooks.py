"""What ``mkdocs build`` does to the pages of ``docs/`` beyond its plugins."""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import normpath, relpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "data/README.md": "data.md",
    "saved_models/README.md": "weights.md",
    "configs/lvis/README.md": "results/detection.md",
    "configs/ovtrack-teta/README.md": "results/tracking.md",
    "configs/transfer/README.md": "results/transfer.md",
    "tools/benchmarks/README.md": "results/speed.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files outside of ``docs/`` that are pages too, and where."""
SOURCES = {page: source for source, page in PAGES.items()}
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#|/)([^)#\s]+)(#[^)]*)?(?=\))")
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):(?=<code>)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are written elsewhere."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Point links between files of the repository to their pages, or to where the code is hosted.

    Raises:
        FileNotFoundError: A link leads nowhere.
    """
    here = page.file.src_uri
    folder = Path(SOURCES.get(here, f"docs/{here}")).parent

    def follow(match: re.Match) -> str:
        target, anchor = normpath((folder / match[1]).as_posix()), match[2] or ""
        if not (ROOT / target).exists():
            raise FileNotFoundError(f"{here} links to {match[1]}, which is missing")
        if (ROOT / target).is_file() and (target in PAGES or target.startswith("docs/")):
            to = PAGES.get(target, target.removeprefix("docs/"))
            return relpath(to, Path(here).parent.as_posix()) + anchor
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{config.repo_url.rstrip('/')}/{kind}/main/{target}{anchor}"

    return LINK.sub(follow, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Docstrings name classes in Sphinx's form, which Markdown does not know: keep the name."""
    return ROLE.sub("", html)
