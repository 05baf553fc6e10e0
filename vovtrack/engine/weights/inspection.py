"""What a weight file is: format, stage, vocabulary, CLIP, and whether it fits a config."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import Tensor

from vovtrack.engine.weights.checkpoint import read_checkpoint, read_metadata, state_dict_of
from vovtrack.engine.weights.conversion import (
    CARD,
    COUNTER,
    Layout,
    Plan,
    find_layout,
    model_shapes,
    plan_conversion,
)
from vovtrack.engine.weights.key_map import KeyMap
from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256
from vovtrack.files.screening import ZIP

LONGEST = 160
"""Characters of a text from the file that are shown."""
SHOWN_NAMES = 5
RESUMES_WITH = {
    "optimizer": "optimizer",
    "param_schedulers": "learning rate schedule",
    "message_hub": "history",
}
"""Entries of a training checkpoint that a run cannot continue without -> what they hold."""
OTHER_KINDS = {
    "ln_final.weight": "CLIP",
    "text.ln_final.weight": "CLIP",
    "visual.conv1.weight": "CLIP image encoder",
}
"""Keys that give away files that are not part of a tracker."""
CLIP_KEYS = {"text_projection": -1, "text.text_projection": -1}
"""Matrices of CLIP onto its embeddings -> the axis that these have."""


@dataclass(frozen=True)
class Inspection:
    """What was found out about a file.

    Attributes:
        facts: (what, finding) in the order in which to show them.
        plan: How the file's tensors fit the config that was asked about.
    """

    facts: tuple[tuple[str, str], ...]
    plan: Plan | None = None

    @property
    def fits(self) -> bool:
        """Whether the file fills the model of the config, as far as one was asked about."""
        return self.plan is None or self.plan.complete

    def lines(self) -> list[str]:
        """The report, a line per fact and per tensor that does not fit."""
        lines = [f"{what:<11} {finding}" for what, finding in self.facts]
        for row in self.plan.faults if self.plan else ():
            shape = "x".join(map(str, row.shape))
            lines.append(f"  {row.state}: {row.ours or row.source} {shape} {row.why}".rstrip())
        return lines


def inspect_checkpoint(
    path: str | Path, layouts: Sequence[Layout], config: Config | None = None
) -> Inspection:
    """Describe a weight file without running anything from it.

    Args:
        path: The file.
        layouts: Known families of checkpoints.
        config: Tell whether the file fits this config's model.

    Raises:
        InputError: The file is missing, damaged or unsafe, or the model cannot be built.
    """
    path = Path(path)
    content = read_checkpoint(path, allow_trust=False, objects=True)
    metadata = read_metadata(path) if path.suffix == ".safetensors" else {}
    facts = [
        ("file", str(path)),
        ("format", _format(path)),
        ("size", f"{path.stat().st_size} bytes"),
        ("sha256", file_sha256(path)),
    ]
    if isinstance(content, Tensor):
        content = {"embeddings": content}
    weights = state_dict_of(content, path)
    layout = _layout_of(weights, layouts)
    bank = _bank(weights) if layout is None else None
    facts += [
        ("kind", _kind(weights, layout, bank)),
        ("tensors", _amount(weights)),
        *_card_facts(metadata),
        *_meta_facts(content),
        ("vocabulary", _vocabulary(content, metadata, bank)),
        *_clip_facts(weights, layouts),
        ("resume", _resume(content)),
    ]
    if config is None:
        return Inspection(tuple(facts))
    expected = model_shapes(config)
    # The model translates old names as those of its own family, whatever the file is of.
    family = _layout_of(expected, layouts)
    keys = family.keys if family else KeyMap()
    own = Layout("model", "model of the config", keys, (), str(config.filename))
    plan = plan_conversion(weights, own, expected)
    answer = "yes" if plan.complete else f"NO, {len(plan.faults)} tensors do not"
    counts = ", ".join(f"{count} {state}" for state, count in plan.counts().items())
    facts.append(("fits", f"{answer} ({config.filename}: {counts})"))
    return Inspection(tuple(facts), plan)


def _format(path: Path) -> str:
    if path.suffix == ".safetensors":
        return "safetensors: cannot hold code"
    with open(path, "rb") as file:
        archive = file.read(len(ZIP)) == ZIP
    kind = "torch archive" if archive else "torch format before 1.6"
    return f"{kind} with a pickle, of which nothing but data is read"


def _layout_of(weights: Mapping[str, Any], layouts: Sequence[Layout]) -> Layout | None:
    try:
        return find_layout(list(weights), layouts)
    except InputError:
        return None


def _kind(weights: Mapping[str, Tensor], layout: Layout | None, bank: Tensor | None) -> str:
    for key, kind in OTHER_KINDS.items():
        if key in weights:
            return kind
    if layout is not None:
        own = all(key == ours for key, (ours, _) in layout.keys.translate_all(weights).items())
        return layout.what if own else f"{layout.what}; its keys are named as elsewhere or earlier"
    if bank is not None:
        return "text embeddings of a vocabulary"
    return "unknown"


def _bank(weights: Mapping[str, Tensor]) -> Tensor | None:
    """The (C, D) tensor of a file that holds nothing else."""
    only = next(iter(weights.values())) if len(weights) == 1 else None
    if only is not None and only.ndim == 3 and only.shape[0] == 1:
        only = only[0]
    return only if only is not None and only.ndim == 2 else None


def _amount(weights: Mapping[str, Tensor]) -> str:
    counted = [value for key, value in weights.items() if not key.endswith(COUNTER)]
    types = sorted({str(value.dtype).removeprefix("torch.") for value in counted})
    numbers = sum(value.numel() for value in counted)
    return f"{len(weights)} with {numbers} numbers, {', '.join(types)}"


def _card_facts(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    """The texts in a safetensors file; of a card only what says where the file comes from."""
    facts = []
    for name, text in metadata.items():
        if name == CARD:
            try:
                card = json.loads(text)
                kept = ("source", "source_sha256", "kind", "stage", "tool")
                text = ", ".join(f"{k} {card[k]}" for k in kept if card.get(k) is not None)
            except (ValueError, AttributeError, RecursionError):
                text = "unreadable"
        if name != "format":
            facts.append(("card" if name == CARD else "note", _shown(f"{name}: {text}")))
    return facts


def _meta_facts(content: Any) -> list[tuple[str, str]]:
    meta = content.get("meta") if isinstance(content, Mapping) else None
    if not isinstance(meta, Mapping):
        return []
    numbers = [f"{name} {meta[name]}" for name in ("epoch", "iter") if type(meta.get(name)) is int]
    facts = [("training", ", ".join(numbers))] if numbers else []
    if any(isinstance(meta.get(name), str) for name in ("cfg", "config")):
        facts.append(("config", "a text inside the file, which is never run"))
    return facts


def _vocabulary(content: Any, metadata: Mapping[str, str], bank: Tensor | None) -> str:
    names = _names(content, metadata)
    shown = f": {', '.join(names[:SHOWN_NAMES])}, ..." if names else ""
    if bank is not None:
        return _shown(f"{bank.shape[0]} classes of {bank.shape[1]} dimensions{shown}")
    if names:
        return _shown(f"trained with {len(names)} classes{shown}")
    return "not in the file; a config or --classes chooses it"


def _names(content: Any, metadata: Mapping[str, str]) -> list[str]:
    try:
        candidates = [json.loads(metadata.get("names", "null"))]
    except (ValueError, RecursionError):
        candidates = []
    if isinstance(content, Mapping):
        meta = content.get("meta")
        meta = meta if isinstance(meta, Mapping) else {}
        data = meta.get("dataset_meta")
        data = data if isinstance(data, Mapping) else {}
        candidates += [content.get("names"), data.get("classes"), meta.get("CLASSES")]
    for names in candidates:
        if isinstance(names, list | tuple) and names and all(isinstance(n, str) for n in names):
            return list(names)
    return []


def _clip_facts(weights: Mapping[str, Tensor], layouts: Sequence[Layout]) -> list[tuple[str, str]]:
    """The size of CLIP's embeddings, which text bank and region embeddings must share."""
    own = {key: axis for layout in layouts for key, axis in layout.embed_keys.items()}
    for key, axis in {**CLIP_KEYS, **own}.items():
        if key in weights and weights[key].ndim == 2:
            return [("CLIP", f"embeddings of {weights[key].shape[axis]} dimensions")]
    return []


def _resume(content: Mapping[str, Any]) -> str:
    lacking = [what for name, what in RESUMES_WITH.items() if name not in content]
    if not lacking:
        return "possible: weights, optimizer, schedule and history are there"
    return f"not possible: no {', no '.join(lacking)}"


def _shown(text: str) -> str:
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return printable if len(printable) <= LONGEST else printable[:LONGEST] + "..."
