"""The pages of docs/: links lead somewhere, named code exists, code that is shown runs."""

from __future__ import annotations

import ast
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

import pytest
from forked import finish, start

from tests.test_layers import ROWS
from vovtrack.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
PAGES += sorted(ROOT.glob("configs/*/README.md"))
BLOCK = re.compile(r'```(\w+)(?: title="([^"]+)")?\n(.*?)```', flags=re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#([^)]*))?\)")


def links(page: Path) -> list[tuple[str, Path, str]]:
    """Text, target and anchor of the links of a page to files."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return [(m[1], (page.parent / m[2]).resolve(), m[3] or "") for m in LINK.finditer(text)]


@cache
def symbols(path: Path) -> frozenset[str]:
    """Names that a Python file defines: functions, classes, methods, constants, itself."""
    names = {path.name, path.parent.name if path.stem == "__init__" else path.name}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{prefix}{node.name}.")
            for target in getattr(node, "targets", [getattr(node, "target", None)]):
                if isinstance(target, ast.Name):
                    names.add(prefix + target.id)

    visit(ast.parse(path.read_text()).body, "")
    return frozenset(names)


def headings(path: Path) -> set[str]:
    """Anchors of a page, as GitHub and the built pages make them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def faults(page: Path) -> list[str]:
    found = []
    for text, target, anchor in links(page):
        code = re.fullmatch(r"`([\w.]+)`", text)
        if not target.exists():
            found.append(f"{target} does not exist")
        elif target.suffix == ".py" and code and code[1] not in symbols(target):
            found.append(f"{target.name} does not define {code[1]}")
        elif target.suffix == ".md" and anchor and anchor not in headings(target):
            found.append(f"{target.name} has no heading #{anchor}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert not faults(page)


def test_dead_links_are_noticed(tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "code.py").write_text("class Part:\n    def step(self): ...\n")
    for link in ("[x](none.md)", "[`Part.stop`](code.py)", "[x](page.md#nowhere)"):
        page.write_text(f"# Here\n{link} [`Part.step`](code.py) [y](page.md#here)")
        assert len(faults(page)) == 1


@pytest.mark.parametrize("page", ["walks.md", "papers.md"])
def test_walks_name_code(page):
    """Every step of a walk and every row of the table of papers leads to a function or class."""
    text = (ROOT / "docs" / page).read_text()
    start = r"^\d+\. |^\| (?!in the paper)"
    blocks = re.findall(rf"(?:{start}).*?(?={start}|^$)", text, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) > 20
    assert [block for block in blocks if not re.search(r"\[`[\w.]+`\]\(\.\./", block)] == []


def test_the_diagram_shows_the_layers():
    """Rows of the picture from top to bottom are the rows that the imports obey."""
    drawing = (ROOT / "docs/architecture.svg").read_text()
    boxes = re.findall(r'y="(\d+)" text-anchor="middle" font-weight="bold"[^>]*>(\w+)<', drawing)
    heights = sorted({int(height) for height, _ in boxes})
    drawn = [{name for at, name in boxes if int(at) == height} for height in heights]
    folders = {path.name for path in (ROOT / "vovtrack").iterdir()} | {"detpro", "ovtrack"}
    folders = {name.removesuffix(".py") for name in folders if not name.startswith("__")}
    rows = [{room.split(".")[-1] for room in rooms} & folders for rooms in ROWS]
    assert drawn == [row for row in rows if row]


def test_every_config_has_its_line():
    page = (ROOT / "docs/configs.md").read_text()
    rows = re.findall(r"^\| \[`[^`]+`\]\(\.\./([^)]+\.py)\) \| \S.*\|$", page, flags=re.MULTILINE)
    configs = [str(path.relative_to(ROOT)) for path in ROOT.glob("configs/**/*.py")]
    assert sorted(rows) == sorted(path for path in configs if "/_base_/" not in path)


def follow(page: Path, folder: Path, languages: tuple[str, ...] = ("python", "bash")) -> int:
    """Do what a page says: write its files, run its Python in one interpreter, type its commands.

    The folder stands for the repository's root; the exit code is 0 if nothing failed.
    """
    blocks = [block for block in BLOCK.findall(page.read_text()) if block[0] in languages]
    assert blocks
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    names = {"__name__": page.stem}
    for language, title, code in blocks:
        if title:
            Path(title).parent.mkdir(parents=True, exist_ok=True)
            Path(title).write_text(code)
        elif language == "python":
            exec(compile(code, str(page), "exec"), names)
        else:
            for command in filter(None, code.splitlines()):
                words = shlex.split(command.removeprefix("PYTHONPATH=. "))
                assert words[0] == "vovtrack"
                assert main([*words[1:], *QUICK.get(words[1], ())]) == 0, command
    return 0


QUICK = {
    "track": ("--max-frames", "3", "--device", "cpu"),
    "test": ("test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"),
}
"""Words that make the commands of a page small."""


@pytest.mark.parametrize("page", sorted((ROOT / "docs/extend").glob("*.md")), ids=lambda p: p.stem)
def test_the_page_does_what_it_says(page, world, tmp_path):
    for name in ("configs", "saved_models"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "work_dirs").mkdir()
    (tmp_path / "work_dirs/world").symlink_to(world)
    finish(start(follow, page, tmp_path))
    results = {path.name for path in (tmp_path / "work_dirs").iterdir()} - {"world"}
    assert results


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_python_of_the_first_pages_runs(page, world, tmp_path):
    """On a folder of frames in place of the video."""
    (tmp_path / "video.mp4").symlink_to(world / "tao/frames/val/MiniWorld/v_0001")
    finish(start(follow, ROOT / page, tmp_path, ("python",)))
