"""Weights for other programs: a slim file for inference, and ONNX graphs checked against torch.

A tracker does not become one graph: between its networks stand choices (which boxes, which
tracks) that belong to the program around them. So each network is a graph of its own; which ones
there are is declared by the system that the model belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vovtrack.engine.load import load_tracker
from vovtrack.engine.systems import system_of
from vovtrack.engine.weights.checkpoint import read_checkpoint, save_weights, state_dict_of
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256

OPSET = 20
TOLERANCE = 1e-3  # largest difference between onnxruntime and torch, relative to the largest value
_EMA = "ema_state_dict"


def export_slim(
    source: str | Path, target: str | Path, half: bool = True, raw: bool = False, note: str = ""
) -> int:
    """Keep of a training checkpoint what inference needs.

    Args:
        source: Checkpoint of a training run, or any weight file.
        target: ``.safetensors`` file to write.
        half: Store floating-point weights as float16.
        raw: Where the run kept a moving average of the weights, take the weights as trained.
        note: Kept in the file: where the weights come from.

    Returns:
        Number of tensors.

    Raises:
        InputError: Missing, damaged or unsafe file, or one without a moving average.
    """
    content = read_checkpoint(source)
    if raw:
        content = _as_trained(content, source)
    weights = state_dict_of(content, source)
    if half:
        weights = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    save_weights(weights, target, {"source_sha256": file_sha256(source), "note": note})
    return len(weights)


def _as_trained(content: Any, source: str | Path) -> dict[str, Tensor]:
    """Swap back: mmengine saves the average as the weights, and the weights as the average."""
    beside = content.get(_EMA) if isinstance(content, Mapping) else None
    if not beside:
        raise InputError(f"{source}: holds no moving average ('{_EMA}'), only weights as trained.")
    prefix = "module."
    return {k.removeprefix(prefix): v for k, v in beside.items() if k.startswith(prefix)}


@dataclass(frozen=True)
class Graph:
    """One network to export.

    Attributes:
        name: Of the file.
        network: What runs.
        inputs: {name: example}.
        outputs: Names of the outputs.
        dynamic: {input: {axis: name}} of the axes that may vary.
    """

    name: str
    network: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    dynamic: dict[str, dict[int, str]]


@dataclass(frozen=True)
class Tensors:
    """Values that a program needs beside the graphs.

    Attributes:
        name: Of the ``.safetensors`` file.
        values: {name: tensor}.
        metadata: {name: text} inside the file.
    """

    name: str
    values: dict[str, Tensor]
    metadata: dict[str, str]


@dataclass(frozen=True)
class Export:
    """All that is exported of a model.

    Attributes:
        graphs: Its networks.
        tensors: What is written beside them.
        facts: Added to the card.
    """

    graphs: Sequence[Graph]
    tensors: Sequence[Tensors] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def export_onnx(
    config: str | Path,
    checkpoint: str | Path | None,
    folder: str | Path,
    classes: Sequence[str] | str | None = None,
    size: tuple[int, int] = (192, 256),
    trust_config: bool = False,
) -> dict[str, Any]:
    """Write the networks of a tracker as ONNX and compare onnxruntime with torch on each.

    Args:
        config: See :func:`vovtrack.engine.load.load_tracker`.
        checkpoint: Weights; default: those of the config.
        folder: Where to write.
        classes: Names to track; default: the vocabulary of the config.
        size: (height, width) of the example image, multiples of 32; any other multiple works.
        trust_config: Run a ``.py`` config from outside of the project.

    Returns:
        The card, also written to ``export.json``: opset, and per file its inputs, outputs, hash
        and largest relative difference to torch.

    Raises:
        InputError: The ``export`` extra is not installed, the tracker cannot be built, its system
            declares no graphs, or a graph computes something else than torch.
    """
    onnxruntime = _require("onnxruntime")
    _require("onnxscript")
    tracker = load_tracker(config, checkpoint, classes, "cpu", trust_config=trust_config)
    found = _find_networks(getattr(tracker, "model", None), size)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    card: dict[str, Any] = {"opset": OPSET, "torch": torch.__version__, "files": {}}
    for graph in found.graphs:
        path = folder / f"{graph.name}.onnx"
        _write(graph, path)
        difference = _compare(onnxruntime, graph, path)
        card["files"][path.name] = {
            "inputs": {name: _axes(graph, name) for name in graph.inputs},
            "outputs": list(graph.outputs),
            "sha256": file_sha256(path),
            "largest_difference": difference,
        }
    for tensors in found.tensors:
        save_weights(tensors.values, folder / f"{tensors.name}.safetensors", tensors.metadata)
    card |= found.facts
    with atomic_write(folder / "export.json") as file:
        json.dump(card, file, indent=1)
    return card


def _find_networks(model: nn.Module | None, size: tuple[int, int]) -> Export:
    """What the system of a model declares to be exported."""
    if model is None:
        raise InputError("This tracker has no network: there is nothing to export.")
    system = system_of(model)
    if system is None or system.export is None:
        raise InputError(
            f"No system declares graphs of {type(model).__name__}: there is nothing to export."
        )
    return system.export(model, size)


def _write(graph: Graph, path: Path) -> None:
    shapes = {
        name: {axis: torch.export.Dim.DYNAMIC for axis in graph.dynamic.get(name, {})}
        for name in graph.inputs
    }
    with torch.no_grad():
        program = torch.onnx.export(
            graph.network.eval(),
            tuple(graph.inputs.values()),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=tuple(shapes.values()),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "the exporter of dynamo returns one"
    with atomic_write(path, "wb") as file:
        file.write(program.model_proto.SerializeToString())


def _compare(onnxruntime: Any, graph: Graph, path: Path) -> float:
    """Largest relative difference between onnxruntime and torch, on inputs of another size."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for inputs in (graph.inputs, _resized(graph)):
        found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        with torch.no_grad():
            expected = graph.network(*inputs.values())
        expected = expected if isinstance(expected, tuple) else (expected,)
        for ours, theirs in zip(expected, found, strict=True):
            scale = float(ours.abs().max()) or 1.0
            worst = max(worst, float(np.abs(ours.numpy() - theirs).max()) / scale)
    if not worst <= TOLERANCE:
        raise InputError(
            f"{path}: onnxruntime differs from torch by {worst:.1e} of the largest value; at most "
            f"{TOLERANCE:.0e} was expected. The graph is not usable."
        )
    return worst


def _resized(graph: Graph) -> dict[str, Tensor]:
    """Inputs with other lengths of the dynamic axes."""
    resized = {}
    for name, value in graph.inputs.items():
        for axis, word in graph.dynamic.get(name, {}).items():
            length = value.shape[axis] // 2 if word in ("height", "width") else 1
            value = value.narrow(axis, 0, max(1, length))
        resized[name] = value.contiguous()
    return resized


def _axes(graph: Graph, name: str) -> list[int | str]:
    """Shape of an input, dynamic axes by name."""
    shape: list[int | str] = list(graph.inputs[name].shape)
    for axis, word in graph.dynamic.get(name, {}).items():
        shape[axis] = word
    return shape


def _require(module: str) -> Any:
    try:
        return __import__(module)
    except ImportError:
        raise InputError(
            f"Exporting needs '{module}': pip install 'vovtrack[export]' (or pip install {module})."
        ) from None
