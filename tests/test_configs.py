"""Every config loads, builds its model without network or weights, and repeats no other config."""

from __future__ import annotations

import ast
import socket
from collections import defaultdict
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
ALL = sorted((ROOT / "configs").rglob("*.py"))
CONFIGS = [path for path in ALL if "_base_" not in path.parts]
MAX_LINES = 100
MAX_REPEATED_LINES = 3


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("building a model must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_there_are_configs():
    assert len(CONFIGS) > 3


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_model_builds(path, repository, no_network):
    from vovtrack.engine.run import load_config
    from vovtrack.registry import MODELS

    config = load_config(path)
    model = MODELS.build(config.model)
    assert isinstance(model, torch.nn.Module)
    assert sum(p.numel() for p in model.parameters()) > 0


def pipelines(node) -> list:
    """Everything that a config calls a pipeline, at any depth."""
    children = node.values() if isinstance(node, dict) else node
    found = [node["pipeline"]] if isinstance(node, dict) and "pipeline" in node else []
    for child in children if isinstance(node, dict | list | tuple) else ():
        found += pipelines(child)
    return found


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_pipelines_are_built_of_transforms(path, repository):
    """A base's list cannot be cut or unpacked in a child: mmengine would take its letters."""
    from vovtrack.engine.run import load_config
    from vovtrack.registry import TRANSFORMS

    for pipeline in pipelines(load_config(path).to_dict()):
        for step in pipeline.values() if isinstance(pipeline, dict) else pipeline:
            assert isinstance(step, dict), step
            assert TRANSFORMS.get(step["type"]), step


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_config_holds_only_differences(path):
    source = path.read_text()
    assigned = {t.id for node in ast.parse(source).body for t in getattr(node, "targets", [])}
    assert "_base_" in assigned, "inherit from configs/_base_"
    assert len(source.splitlines()) <= MAX_LINES
    assert ast.get_docstring(ast.parse(source)), "say in one line what the config is"


def test_no_block_stands_in_two_files():
    places = defaultdict(list)
    for path in ALL:
        for node in ast.parse(path.read_text()).body:
            long = node.end_lineno - node.lineno >= MAX_REPEATED_LINES
            if long and isinstance(node, ast.Assign) and node.targets[0].id != "_base_":
                places[ast.dump(node)].append(f"{name(path)}:{node.lineno}")
    repeated = [found for found in places.values() if len(found) > 1]
    assert not repeated, f"move these blocks into configs/_base_: {repeated}"
