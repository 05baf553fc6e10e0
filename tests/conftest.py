"""What several test files share."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.places import ROOT

if TYPE_CHECKING:
    import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add where tests with tensors on a device compute."""
    parser.addoption(
        "--device",
        choices=("cpu", "fake", "cuda"),
        default="cpu",
        help="of tests marked gpu: the CPU, the pretended GPU of tests/fake_cuda.py, or a real one",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let a real GPU, where it is asked for, stand in for the pretended one."""
    if config.getoption("--device") == "cuda":
        from tests import fake_cuda

        fake_cuda.use_real_gpu()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that compute on a device, and those that read recorded outputs."""
    for item in items:
        if isinstance(item, pytest.Function):
            named = inspect.unwrap(item.function).__code__.co_names
            if "device" in item.fixturenames or "fake_cuda" in named:
                item.add_marker("gpu")
            recorded = {"golden", "golden_path", "recorded"} & set(item.fixturenames)
            if recorded or {"Case", "FOLDER"} & set(named):
                item.add_marker("golden")


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """Where a test puts its models and tensors: the device of ``--device``."""
    import torch

    if request.config.getoption("--device") == "cpu":
        yield torch.device("cpu")
        return
    from tests.fake_cuda import fake_cuda

    with fake_cuda() as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory) -> None:
    """Keep text embeddings of tests out of the user's cache, in subprocesses too."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root of the repository, made the working directory as the README's commands expect."""
    monkeypatch.chdir(ROOT)
    return ROOT


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Paths of the files that this process opens during a test."""
    paths: list[str] = []
    recording = [True]

    def note(event: str, arguments: tuple) -> None:
        if event == "open" and recording:
            paths.append(str(arguments[0]))

    sys.addaudithook(note)  # it stays until the process ends
    yield paths
    recording.clear()


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real files (annotations, videos), named by VOVTRACK_REALDATA; skips without it."""
    folder = os.environ.get("VOVTRACK_REALDATA")
    if not folder:
        pytest.skip("VOVTRACK_REALDATA names no folder of real files")
    return Path(folder)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """Root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def golden_path() -> Path:
    """Folder of recorded outputs of the original systems."""
    return ROOT / "tests" / "data" / "golden"


@pytest.fixture(scope="session")
def golden(golden_path: Path):
    """Load one recorded file by name."""
    return lambda name: np.load(golden_path / name)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A rendered tiny world."""
    from vovtrack.synthetic import write_world

    return write_world(tmp_path_factory.mktemp("w") / "world", size="tiny", workers=1)
