"""The released networks with weights that are functions of their own names."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from torch import Tensor

import vovtrack.sot  # noqa: F401  registers the networks
from tests.places import ROOT
from tests.recorded import Recorded
from tests.seeded import normal, seeded_state_dict
from vovtrack.engine.weights.conversion import find_layout
from vovtrack.registry import MODELS
from vovtrack.sot.models.keys import NETWORKS


def build(name: str) -> Any:
    """The network of a model config, as it is constructed."""
    return MODELS.build(Config.fromfile(ROOT / f"configs/_base_/models/{name}.py").model)


def seeded(recorded: Recorded, name: str) -> Any:
    """The network of the recordings, in evaluation."""
    shapes = recorded.json(f"checkpoint_keys_{name}.json")
    keys = find_layout(list(shapes), NETWORKS).keys
    kept = {key: shape for key, shape in shapes.items() if keys.translate(key)[0]}
    weights = seeded_state_dict(kept, recorded.salt)
    keys.apply(weights)
    model = build(name)
    missing = model.load_state_dict(weights, strict=False).missing_keys
    assert not any(key.startswith(tuple({k.split(".")[0] for k in weights})) for key in missing)
    return model.eval()


def images(recorded: Recorded, name: str, kind: str, count: int, size: list[int]) -> Tensor:
    """Normalised images (count, 3, H, W) of the recordings."""
    return normal((count, 3, *size), recorded.salt, "net", name, kind)
