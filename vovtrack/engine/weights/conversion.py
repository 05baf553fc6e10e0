"""Checkpoints of other projects to ours: every tensor is accounted for, or nothing is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from vovtrack.engine.configs import read_config
from vovtrack.engine.load import build_model
from vovtrack.engine.shipped import SHIPPED
from vovtrack.engine.weights.checkpoint import (
    STATE_DICT_NAMES,
    load_weights,
    read_checkpoint,
    save_weights,
    state_dict_of,
)
from vovtrack.engine.weights.key_map import KeyMap
from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256

CARD = "card"
"""Name of the JSON card inside the metadata of a converted file."""
COUNTER = "num_batches_tracked"
"""Last name of batch norm's counters: they have no effect and may be missing."""


@dataclass(frozen=True, eq=False)
class Layout:
    """A family of checkpoints.

    Args:
        name: Short name (``--kind``).
        what: What such a file is, in words.
        keys: Translation of its key names.
        marks: Prefixes of keys, one of which a file of this family has.
        beside: Prefixes of other keys, one of which it has.
        config: Config of the model that the files are for; a path that starts with ``configs/`` is
            found from any folder.
        optional: Prefixes of our keys that are complete or absent.
        overrides: Changes of its model.
        any_classes: Prefixes of our tensors whose first axis is over classes; a file may have any
            number of them.
        backbone: The file only has to fill the backbone.
        stages: Training stage of published files by name, where keys alone do not tell it.
        embed_keys: Matrices onto CLIP's embeddings -> the axis that these have.
        adapt: Changes values after renaming, ``(source, ours) -> notes``.
        notes: What a user should know of such files.
    """

    name: str
    what: str
    keys: KeyMap
    marks: tuple[str, ...]
    config: str
    beside: tuple[str, ...] = ("",)
    optional: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    any_classes: tuple[str, ...] = ()
    backbone: bool = False
    stages: Mapping[str, int] = field(default_factory=dict)
    embed_keys: Mapping[str, int] = field(default_factory=dict)
    adapt: Callable[[Mapping[str, Tensor], dict[str, Tensor]], tuple[str, ...]] | None = None
    notes: tuple[str, ...] = ()

    def matches(self, keys: Iterable[str]) -> bool:
        """Whether keys look like those of this family."""
        names = [self.keys.unwrap(key)[1] for key in keys]
        return all(any(n.startswith(m) for n in names) for m in (self.marks, self.beside))


@dataclass(frozen=True)
class Row:
    """What becomes of one tensor.

    Args:
        source: Its key in the file, None if it is missing there.
        ours: Its key in the model, None if it is dropped.
        shape: Its shape.
        dtype: Its type.
        state: ``kept``, ``renamed``, ``dropped``, ``missing``, ``unexpected`` or ``wrong shape``.
        why: Reason or expectation, in words.
    """

    source: str | None
    ours: str | None
    shape: tuple[int, ...]
    dtype: str
    state: str
    why: str = ""


@dataclass(frozen=True)
class Plan:
    """What a conversion will do, tensor by tensor."""

    layout: Layout
    rows: tuple[Row, ...]

    @property
    def faults(self) -> list[Row]:
        """The rows that keep the conversion from being complete."""
        faulty = [r for r in self.rows if r.state in ("missing", "unexpected", "wrong shape")]
        return [
            r for r in faulty if not (r.state == "missing" and (r.ours or "").endswith(COUNTER))
        ]

    @property
    def complete(self) -> bool:
        """Whether every tensor of the model is filled and every one of the file has its place."""
        return not self.faults

    def absent(self) -> dict[str, int]:
        """Parts of the model of which the file has nothing -> number of their tensors."""
        found: set[str] = set()
        for row in self.rows:
            if row.ours is not None and row.state != "missing":
                found.update(_parts(row.ours))
        missing = [row.ours for row in self.faults if row.ours and row.state == "missing"]
        parts = (next(part for part in _parts(key) if part not in found) for key in missing)
        return dict(Counter(parts))

    def counts(self) -> dict[str, int]:
        """Number of tensors by state."""
        return dict(Counter(row.state for row in self.rows))


def _parts(key: str) -> list[str]:
    """The key ``a.b.c`` and the modules that it is in: ``a``, ``a.b``, ``a.b.c``."""
    names = key.split(".")
    return [".".join(names[: count + 1]) for count in range(len(names))]


def find_layout(keys: Sequence[str], layouts: Sequence[Layout]) -> Layout:
    """The first family that keys look like.

    Raises:
        InputError: They look like none.
    """
    for layout in layouts:
        if layout.matches(keys):
            return layout
    raise InputError(
        f"The keys ({', '.join(map(repr, sorted(keys)[:3]))}, ...) are those of no known kind of "
        f"checkpoint: {', '.join(layout.name for layout in layouts)}. Name the kind if you know it."
    )


def expected_shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    """Key -> shape of the model that a family is for."""
    # The package that declares a layout runs already, so its config may.
    cfg = read_config(SHIPPED / layout.config, trust_config=True)
    cfg.merge_from_dict({"model": dict(layout.overrides)})
    return model_shapes(cfg)


def model_shapes(cfg: Config) -> dict[str, tuple[int, ...]]:
    """Key -> shape of a config's model, which takes no memory for it.

    A config without the type of a model gives the shapes of the parts that it has.

    Raises:
        InputError: The model cannot be built.
    """
    try:
        with torch.device("meta"):
            parts = _build_parts(cfg)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"The model of config '{cfg.filename}' cannot be built: {error}") from None
    return {
        prefix + key: tuple(value.shape)
        for prefix, part in parts.items()
        for key, value in part.state_dict().items()
    }


def _build_parts(cfg: Config) -> dict[str, nn.Module]:
    """The model, or what there is of one, by the prefix of its keys."""
    if "type" in cfg.model:
        return {"": build_model(cfg)}
    return {f"{name}.": build_model(Config({"model": part})) for name, part in cfg.model.items()}


def plan_conversion(
    weights: Mapping[str, Tensor], layout: Layout, expected: Mapping[str, tuple[int, ...]]
) -> Plan:
    """Compare the tensors of a file with those of a model.

    Args:
        weights: Key -> tensor of the file.
        layout: Its family.
        expected: Our key -> shape, of the whole model.
    """
    names = layout.keys.translate_all(weights)
    rows = [_row(key, *names[key], value, layout, expected) for key, value in weights.items()]
    found = Counter(row.ours for row in rows if row.ours)
    rows = [
        Row(r.source, r.ours, r.shape, r.dtype, "unexpected", "a second tensor of this name")
        if r.ours and found[r.ours] > 1
        else r
        for r in rows
    ]
    for key, shape in expected.items():
        if key not in found and _required(key, layout, found):
            why = "no effect" if key.endswith(COUNTER) else ""
            rows.append(Row(None, key, tuple(shape), "", "missing", why))
    return Plan(layout, tuple(rows))


def _row(
    source: str,
    ours: str | None,
    why: str,
    value: Tensor,
    layout: Layout,
    expected: Mapping[str, tuple[int, ...]],
) -> Row:
    shape, dtype = tuple(value.shape), str(value.dtype).removeprefix("torch.")
    state = "kept" if ours == source else "renamed"
    if ours is None:
        state = "dropped"
    elif ours not in expected:
        state = "unexpected"
    elif not _same_shape(shape, tuple(expected[ours]), ours.startswith(layout.any_classes)):
        state, why = "wrong shape", f"expected {tuple(expected[ours])}"
    return Row(source, ours, shape, dtype, state, why)


def _same_shape(shape: tuple[int, ...], wanted: tuple[int, ...], any_classes: bool) -> bool:
    if any_classes:
        return len(shape) == len(wanted) and shape[1:] == wanted[1:]
    return shape == wanted


def _required(key: str, layout: Layout, found: Mapping[str, int]) -> bool:
    for prefix in layout.optional:
        if key.startswith(prefix):
            return any(other.startswith(prefix) for other in found)
    return not layout.backbone or key.startswith("backbone.")


def convert(
    source: str | Path, layouts: Sequence[Layout]
) -> tuple[Plan, dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint and translate it.

    Args:
        source: The file.
        layouts: Families that it may be of; the first that fits is taken.

    Returns:
        The plan, our tensors, and the card that tells where they come from.

    Raises:
        InputError: The file is missing, damaged, unsafe, without tensors or of no known family.
    """
    content = read_checkpoint(source, objects=True)
    weights = state_dict_of(content, source)
    layout = layouts[0] if len(layouts) == 1 else find_layout(list(weights), layouts)
    plan = plan_conversion(weights, layout, expected_shapes(layout))
    ours = {
        row.ours: weights[row.source]
        for row in plan.rows
        if row.state in ("kept", "renamed") and row.ours is not None and row.source is not None
    }
    notes = layout.notes + (layout.adapt(weights, ours) if layout.adapt else ())
    others = [key for key in content if isinstance(key, str) and key not in weights]
    card = {
        "source": Path(source).name,
        "source_sha256": file_sha256(source),
        "kind": layout.name,
        "what": layout.what,
        "stage": layout.stages.get(Path(source).stem),
        "counts": {"in the file": len(weights), "written": len(ours), **plan.counts()},
        "dropped": _dropped(plan),
        "left behind": [name for name in others if name not in STATE_DICT_NAMES],
        "notes": list(notes),
        "tool": _tool(),
    }
    return plan, ours, card


def _tool() -> str:
    try:
        return f"vovtrack {version('vovtrack')}"
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "vovtrack, not installed"


def _dropped(plan: Plan) -> list[dict[str, Any]]:
    reasons: dict[str, list[str]] = {}
    for row in plan.rows:
        if row.state == "dropped" and row.source is not None:
            reasons.setdefault(row.why, []).append(row.source)
    return [{"why": why, "count": len(k), "keys": sorted(k)} for why, k in reasons.items()]


def add_parts(
    weights: Mapping[str, Tensor], onto: str | Path, card: dict[str, Any]
) -> dict[str, Tensor]:
    """Join converted tensors and those of another converted file, of a model's other parts.

    Args:
        weights: Converted tensors.
        onto: The other file.
        card: Told of it.

    Raises:
        InputError: That file cannot be read, or has one of the tensors, too.
    """
    others = load_weights(onto)
    if both := sorted(weights.keys() & others.keys()):
        raise InputError(
            f"'{onto}' holds '{both[0]}' (and {len(both) - 1} more) that the converted file has: "
            "--onto is for other parts of the model."
        )
    card["onto"] = {"source": Path(onto).name, "source_sha256": file_sha256(onto)}
    return {**others, **weights}


def write_converted(
    target: str | Path, plan: Plan, weights: Mapping[str, Tensor], card: Mapping[str, Any]
) -> Path:
    """Write converted weights with their card inside and as JSON beside them.

    Returns:
        Path of the card.

    Raises:
        InputError: The plan is not complete, or the file cannot be written.
    """
    if not plan.complete:
        absent = [f"missing '{part}' ({count} tensors)" for part, count in plan.absent().items()]
        others = [
            f"{row.state} '{row.ours or row.source}' {row.why}".strip()
            for row in plan.faults
            if row.state != "missing"
        ]
        shown = "; ".join((absent + others)[:3])
        raise InputError(
            f"The file is not a complete {plan.layout.what}: {len(plan.faults)} tensors do not fit "
            f"({shown}, ...). Nothing was written; --check lists all of them."
        )
    text = json.dumps(card, indent=1)
    beside = Path(target).with_suffix(".json")
    save_weights(weights, target, {CARD: text})
    with atomic_write(beside) as file:
        file.write(text + "\n")
    return beside


def check_target(source: str | Path, target: str | Path) -> None:
    """Refuse a target before a long conversion.

    Raises:
        InputError: Not a ``.safetensors`` file, or the source itself.
    """
    if Path(target).suffix != ".safetensors" or Path(target).is_dir():
        raise InputError(f"'{target}' is not a name of a safetensors file: end it in .safetensors.")
    if Path(target).resolve() == Path(source).resolve():
        raise InputError(f"'{target}' is the file to convert itself: give another name.")
