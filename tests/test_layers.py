"""Imports and knowledge point down, as read from the sources.

No room imports one above it. And no room of the floor knows a system: not its package, a part that
it registers, an attribute or key inside its models, or a config of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
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
        return [f"{module}: room '{here}' is in no row of tests/test_layers.py"]
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


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_imports_point_down():
    found = []
    for path in sources():
        found += violations(path.read_text(), module_of(path), path.stem == "__init__")
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


SYSTEMS = ("detpro", "ovtrack", "vovtrack.graph", "vovtrack.point", "vovtrack.sot")
ABOVE_THE_FLOOR = {*SYSTEMS, "vovtrack.__main__", "vovtrack.cli"}
INSIDE_A_MODEL = re.compile(
    r"\w+_head|classifier|state_attention|state_scoring|score_rule|cycle_loss|spatial_loss"
    r"|pair_sampler"
)
"""Names of parts inside the models of systems."""
WORD, CONFIG = re.compile(r"\w+"), re.compile(r"configs/[\w./-]+\.py")
EXCEPTIONS = {
    ("vovtrack.engine.data_sizes", "rpn_head"): "mmdet's own name, in all its two-stage detectors",
}
"""(module, word) -> why the floor may say it."""


@cache
def registered_by(rooms: tuple[str, ...]) -> frozenset[str]:
    """Names of the classes and functions that rooms put into a registry."""
    folders = [ROOT / room.replace(".", "/") for room in rooms]
    return frozenset(
        node.name
        for folder in folders
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and any("register_module" in ast.unparse(line) for line in node.decorator_list)
    )


def texts_of(tree: ast.AST) -> Iterator[str]:
    """The texts of a source that do something: no docstrings."""
    silent = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent:
            yield node.value


def names_of(tree: ast.AST) -> Iterator[str]:
    """Names, attributes, arguments, functions and classes of a source."""
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name"):
            if isinstance(name := getattr(node, field, None), str):
                yield name


def known_words(tree: ast.AST) -> set[str]:
    """The words of a source that belong to systems."""
    registered = registered_by(SYSTEMS)
    words = {word for text in (*texts_of(tree), *names_of(tree)) for word in WORD.findall(text)}
    return {
        word
        for word in words
        if word in registered
        or INSIDE_A_MODEL.fullmatch(word)
        or set(word.lower().split("_")).intersection(SYSTEMS)
    }


@cache
def is_of_a_system(config: Path) -> bool:
    """Whether a config, or one that it is based on, names parts of a system; or is not there."""
    if not config.is_file():
        return True
    tree = ast.parse(config.read_text())
    bases = (
        config.parent / text
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "_base_"
        for text in texts_of(node)
    )
    return bool(known_words(tree)) or any(map(is_of_a_system, bases))


def knowledge(source: str, module: str) -> list[str]:
    """Sentences for what a module of the floor says of systems."""
    tree = ast.parse(source)
    words, texts = known_words(tree), set(texts_of(tree))
    if module.startswith("vovtrack.engine"):
        # What evaluates, a config says.
        words |= texts & registered_by(("vovtrack.evaluation.metrics",))
    paths = {path for text in texts for path in CONFIG.findall(text)}
    words |= {path for path in paths if is_of_a_system(ROOT / path)}
    found = sorted(word for word in words if (module, word) not in EXCEPTIONS)
    return [f"{module} knows '{word}', which is a system's" for word in found]


def floor() -> dict[str, str]:
    """The modules below the systems, and their sources."""
    modules = {module_of(path): path for path in sources()}
    return {
        module: path.read_text()
        for module, path in modules.items()
        if not any(f"{module}.".startswith(f"{room}.") for room in ABOVE_THE_FLOOR)
    }


def test_the_floor_knows_no_system():
    found = [line for module, source in floor().items() for line in knowledge(source, module)]
    assert not found, "\n".join(found)


def test_what_systems_register_is_seen():
    assert {"OVTrack", "OpenVocabRoIHead", "RegionNamingMetric"} <= registered_by(SYSTEMS)
    assert {"vovtrack.engine.load", "vovtrack.engine"} <= floor().keys()


def test_every_exception_is_needed():
    needed = {(module, word) for module, word in EXCEPTIONS if word in floor()[module]}
    assert needed == EXCEPTIONS.keys()


@pytest.mark.parametrize(
    "source",
    [
        "head = model.roi_head",
        "head = getattr(model, 'bbox_head')",
        "config.merge_from_dict({'model.roi_head.load_feature': True})",
        "f(pair_sampler=None)",
        "def f(track_head): pass",
        "KEY = 'roi_head.projection.weight'",
        "metric = dict(type='RegionNamingMetric')",
        "config.model.type == 'mmdet.OVTrack'",
        "evaluator['type'] == 'TaoTrackMetric'",
        "PACKAGES = ('vovtrack', 'detpro')",
        "sys.modules['ovtrack.models']",
        "STAGES = {'detpro_stage1': 1}",
        "raise InputError('Use OVTrack.')",
        "config = 'configs/mini/ovtrack.py'",
        "config = 'configs/mini.py'",
        "config = 'configs/_base_/models/mini_detector.py'",
        "config = 'configs/a/config/that/is/gone.py'",
    ],
)
def test_planted_knowledge_is_found(source):
    assert knowledge(source, "vovtrack.engine.load")


@pytest.mark.parametrize(
    "source",
    [
        "'''Used by OVTrack: its roi_head.'''",
        "x = 1\n'''As detpro does.'''",
        "def f():\n    '''See configs/mini/ovtrack.py.'''",
        "path = 'configs/_base_/models/resnet50.py'",
        "name = 'vovtrack'  # not ovtrack",
        "link = 'https://github.com/zekunqian/VOVTrack'",
        "metric = TaoTrackMetric(ann_file)",
    ],
)
def test_what_the_floor_may_say(source):
    assert knowledge(source, "vovtrack.engine.load") == []


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
