"""What ``mkdocs build`` does to the pages of ``docs/`` beyond its plugins."""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import normpath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#|/)([^)#\s]+)(#[^)]*)?(?=\))")
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):(?=<code>)")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Point links to files of the repository outside of ``docs/`` to where the code is hosted.

    Links are relative to the file that a reader sees in the repository. A page that only includes
    a file of the root (``--8<--``) has its links relative to the root.

    Raises:
        FileNotFoundError: A link leads nowhere.
    """
    page_folder = Path("docs", page.file.src_uri).parent
    included = re.fullmatch(r'--8<-- "([^"]+)"', markdown.strip())
    if included:
        markdown, page_folder = (ROOT / included[1]).read_text(encoding="utf-8"), Path()

    def follow(match: re.Match) -> str:
        target = normpath((page_folder / match[1]).as_posix())
        if not (ROOT / target).exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {match[1]}, which is missing")
        if target.startswith("docs/") and (ROOT / target).is_file():
            depth = page.file.src_uri.count("/")
            return "../" * depth + target.removeprefix("docs/") + (match[2] or "")
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{config.repo_url.rstrip('/')}/{kind}/main/{target}{match[2] or ''}"

    return LINK.sub(follow, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Docstrings name classes in Sphinx's form, which Markdown does not know: keep the name."""
    return ROLE.sub("", html)
