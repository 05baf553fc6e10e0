"""Imports point down: every import of one room by another is read from the source and judged."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("vovtrack", "detpro", "ovtrack")
MAX_LINES = 400

# A room may import rooms of a higher row number. Rooms of one row do not know each other.
ROWS = [
    {"vovtrack.__main__"},
    {"vovtrack.cli"},
    {"vovtrack"},  # the package's own face, lazy: see test_face_is_lazy
    {"ovtrack"},
    {"detpro", "vovtrack.graph", "vovtrack.point", "vovtrack.sot"},
    {"vovtrack.engine"},
    {"vovtrack.datasets", "vovtrack.evaluation", "vovtrack.visualization", "vovtrack.synthetic"},
    {"vovtrack.models", "vovtrack.trackers"},
    {"vovtrack.formats"},
    {"vovtrack.structures", "vovtrack.registry"},
    {"vovtrack.ops", "vovtrack.compat"},
    {"vovtrack.files"},  # below compat, which makes third parties write through it
    {"vovtrack.errors"},
]
ROW = {room: number for number, rooms in enumerate(ROWS) for room in rooms}


def room_of(module: str) -> str | None:
    """The room of a dotted module name; None for third parties."""
    parts = module.split(".")
    if parts[0] not in PACKAGES:
        return None
    return parts[0] if parts[0] != "vovtrack" or len(parts) == 1 else ".".join(parts[:2])


def imports_of(source: str, module: str, is_package: bool) -> Iterator[str]:
    """Absolute names of the modules that a source text imports, wherever in the file."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, *([base] if base else [])])
            if base == "vovtrack":
                rooms = [f"vovtrack.{alias.name}" for alias in node.names]
                yield from (room if room in ROW else "vovtrack" for room in rooms)
            else:
                yield base


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """Sentences for the imports of a source text that point up or sideways."""
    here = room_of(module)
    if here not in ROW:
        return [f"{module}: room '{here}' stands in no row of tests/test_layers.py"]
    found = []
    for name in imports_of(source, module, is_package):
        there = room_of(name)
        if there is None or there == here:
            continue
        if there not in ROW or ROW[there] <= ROW[here]:
            found.append(f"{module} imports {name}: '{there}' is not below '{here}'")
    return found


def sources() -> list[Path]:
    return sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


def test_imports_point_down():
    found = []
    for path in sources():
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        found += violations(path.read_text(), module, is_package)
    assert sources()
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("vovtrack.engine.online", "from ovtrack.models import OVTrack"),
        ("vovtrack.engine.online", "def f():\n    import detpro.models"),
        ("detpro.models.head", "from ovtrack import models"),
        ("vovtrack.ops.boxes", "from vovtrack.structures import Vocabulary"),
        ("vovtrack.ops.boxes", "from vovtrack import structures"),
        ("vovtrack.ops.boxes", "from ..structures import Vocabulary"),
        ("vovtrack.datasets.tao", "from vovtrack.evaluation.scores.teta import teta"),
        ("vovtrack.formats.tao.annotations", "from vovtrack import load_tracker"),
        ("vovtrack.point.model", "import vovtrack.sot"),
        ("vovtrack.helpers.misc", "import os"),
    ],
)
def test_planted_violation_is_found(module, source):
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ovtrack.models.ovtrack", "from detpro.models import OpenVocabRoIHead"),
        ("vovtrack.cli.track", "from vovtrack.engine import online"),
        ("vovtrack.formats.tao.annotations", "from .coco import read_images\nimport numpy"),
        ("vovtrack.ops.boxes", "from vovtrack.errors import InputError"),
    ],
)
def test_downward_import_is_accepted(module, source):
    assert violations(source, module) == []


def test_face_is_lazy():
    """``import vovtrack`` itself loads none of its rooms: they load when first asked for."""
    tree = ast.parse((ROOT / "vovtrack/__init__.py").read_text())
    imported = [
        name
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in imports_of(ast.unparse(node), "vovtrack", is_package=True)
    ]
    assert [name for name in imported if room_of(name)] == []


def test_files_are_short():
    lengths = {p.relative_to(ROOT): len(p.read_text().splitlines()) for p in sources()}
    assert {p: n for p, n in lengths.items() if n > MAX_LINES} == {}
