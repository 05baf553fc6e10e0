"""What systems declare, and that configs import what they name."""

from __future__ import annotations

import subprocess
import sys

import pytest
from mmengine.config import Config
from torch import nn

from vovtrack.cli.systems import collect_systems
from vovtrack.engine import systems
from vovtrack.engine.old_options import OLD, OldOptions
from vovtrack.engine.shipped import CONFIGS
from vovtrack.engine.systems import System, declare, is_own, packages, shipped_packages, system_of
from vovtrack.engine.weights.export import export_onnx
from vovtrack.errors import InputError

ALONE = """
import sys
from mmengine.config import Config
from vovtrack.engine.configs import read_config
from vovtrack.engine.data_configs import TYPE_KEYS, is_known_part, walk
from vovtrack.engine.packaged_trackers import find_tracker
from vovtrack.registry import MODELS

def unknown(config):
    types = [v for k, v in walk(read_config(config).to_dict()) if k in TYPE_KEYS]
    return [name for name in types if not is_known_part(name)]

for config in {objects!r}:
    assert not unknown(config), (config, unknown(config))
assert "vovtrack.sot" in sys.modules and "vovtrack.point" not in sys.modules
for config in {points!r}:
    assert not unknown(config), (config, unknown(config))
assert "vovtrack.point" in sys.modules and "detpro" not in sys.modules
for config in {detectors!r}:
    assert not unknown(config), (config, unknown(config))
assert "detpro" in sys.modules and "ovtrack" not in sys.modules
MODELS.build(find_tracker("ovtracker"))
for config in {trackers!r}:
    assert not unknown(config), (config, unknown(config))
"""


@pytest.fixture
def declared(monkeypatch):
    """The systems of the project alone; what a test declares is forgotten."""
    found = {system.package: system for system in collect_systems()}
    # Not in the order in which other tests of this process imported them.
    shipped = {package: found[package] for package in shipped_packages()}
    monkeypatch.setattr(systems, "_DECLARED", shipped)
    return systems.systems()


def test_systems_of_the_project(declared):
    names = [system.package for system in declared]
    assert names == ["vovtrack.sot", "vovtrack.point", "ovtrack", "detpro"]
    assert packages() == ("vovtrack", "detpro", "ovtrack", "vovtrack.point", "vovtrack.sot")
    assert [layout.name for s in declared for layout in s.layouts] == [
        "tomp101", "tomp50", "keep-track", "dimp18", "prdimp18", "dimp50", "prdimp50",
        "super-dimp-simple", "atom",
        "trackon", "trackon2-dinov2s", "trackon2-dinov2b", "trackon2-dinov3s-plus",
        "qdtrack", "qdtrack-yolox", "yolox", "ovtrack",
        "detpro-cascade", "detpro", "soco",
    ]  # fmt: skip


def test_a_system_declared_again_takes_its_own_place(declared, monkeypatch):
    monkeypatch.setattr("vovtrack.engine.old_options.OLD", OLD)
    before = OLD.names()
    for system in reversed(declared):
        declare(system)
    assert systems.systems() == declared and OLD.names() == before
    mine = System(package="mine", old_options=OldOptions())
    declare(mine)
    assert systems.systems() == (mine, *declared)


@pytest.mark.parametrize(
    ("module", "own"),
    [
        ("ovtrack", True),
        ("ovtrack.models", True),
        ("vovtrack.graph", True),
        ("ovtracker", False),
        ("mine.ovtrack", False),
        ("os", False),
    ],
)
def test_modules_of_systems(declared, module, own):
    assert is_own(module) == own


def test_the_system_of_a_model(declared):
    from detpro.models import OpenVocabDetector
    from ovtrack.models import OVTrack

    class Mine(OVTrack):
        pass

    found = [system_of(cls.__new__(cls)) for cls in (OVTrack, Mine, OpenVocabDetector, nn.Linear)]
    assert [system and system.package for system in found] == ["ovtrack", "ovtrack", "detpro", None]


def test_a_model_without_graphs_is_not_exported(declared, monkeypatch, tmp_path, repository):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setattr(systems, "_DECLARED", {"ovtrack": System("ovtrack")})
    with pytest.raises(InputError, match="No system declares graphs of OVTrack"):
        export_onnx("mini", None, tmp_path / "graphs")
    assert not (tmp_path / "graphs").exists()


def imports(path) -> list[str]:
    config = Config.fromfile(path, import_custom_modules=False)
    return (config.get("custom_imports") or {}).get("imports", [])


def test_configs_import_what_they_name():
    """In a process that imported nothing before, each without the systems that it does not need."""
    configs = [p for p in sorted(CONFIGS.rglob("*.py")) if "_base_" not in p.parts]
    systems = dict(
        objects="vovtrack.sot", points="vovtrack.point", detectors="detpro", trackers="ovtrack"
    )
    by_system = {
        kind: [str(p) for p in configs if imports(p) == [name]] for kind, name in systems.items()
    }
    assert sum(map(len, by_system.values())) == len(configs)
    code = ALONE.format(**by_system)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
