"""Some steps of training through the whole hierarchy, against those of the original."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.graph.networks import drawn, tracker
from tests.graph.recordings import close, detections_of, levels_of
from vovtrack.graph.models.hierarchy import Example, levels_to_learn

FIRST, LATER = 1e-5, 1e-3
"""Tolerances of the first iteration and of those that Adam has had a part in."""
BIG = 3000
"""A tensor with as many values is recorded by every fourth row."""


@pytest.fixture(scope="module")
def arrays(recorded):
    return recorded.arrays("training.npz")


@pytest.fixture(scope="module")
def meta(recorded):
    return recorded.meta("training.npz")


def examples_of(arrays, name: str, settings: dict) -> list[Example]:
    count = len({key.split("/")[1] for key in arrays.files if key.startswith(f"{name}/w")})
    found = []
    for place in (f"{name}/w{k}" for k in range(count)):
        scene, described = (torch.from_numpy(arrays[f"{place}/{key}"]) for key in ("scene", "inst"))
        texts = (scene, described) if settings["language"] else ()
        found.append(Example(detections_of(arrays, place, settings["fps"]), *texts))
    return found


def test_recorded_steps(recorded, arrays, meta):
    assert meta
    for name, settings in meta.items():
        levels = levels_of(settings)
        model = tracker(
            levels,
            node_features=settings["node_dim"],
            language=settings["language"],
            use_embedding=not settings["zero_nodes"],
        )
        drawn(model.network, recorded.salt)
        start = {key: value.clone() for key, value in model.network.state_dict().items()}
        decay = settings["weight_decay"]
        optimizer = torch.optim.Adam(model.parameters(), settings["lr"], weight_decay=decay)
        examples = examples_of(arrays, name, settings)
        for iteration in range(settings["iterations"]):
            active = levels_to_learn(iteration, settings["depth_pretrain_iteration"], len(levels))
            assert active == arrays[f"{name}/active_levels"][iteration]
            losses = model.loss(examples, active)
            per_level = torch.stack([torch.stack(list(x.values())).sum() for x in losses])
            optimizer.zero_grad()
            per_level.sum().backward()
            norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
            optimizer.step()
            tolerance = FIRST if iteration == 0 else LATER
            close(per_level.sum().detach(), arrays[f"{name}/loss"][iteration], tolerance)
            theirs = arrays[f"{name}/loss_per_level"][iteration]
            close(per_level.detach(), theirs[:active], tolerance)
            assert (theirs[active:] == 0).all()
            close(torch.stack(norms).norm(), arrays[f"{name}/grad_norm"][iteration], tolerance)
        compared = 0
        for key, value in model.network.state_dict().items():
            if f"{name}/change/{key}" in arrays:
                change = (value - start[key]).numpy()
                change = change[::4] if change.size >= BIG else change
                theirs = arrays[f"{name}/change/{key}"]
                off = np.linalg.norm(change - theirs) / max(np.linalg.norm(theirs), 1e-12)
                assert off < LATER, (name, key)
                compared += 1
        assert compared == sum(key.startswith(f"{name}/change/") for key in arrays.files)


def test_recorded_clusters(recorded, arrays, meta):
    """What the first iteration with several levels merges, before anything else was learned."""
    compared = 0
    for name, settings in meta.items():
        if settings["depth_pretrain_iteration"]:
            continue
        model = tracker(
            levels_of(settings),
            node_features=settings["node_dim"],
            language=settings["language"],
            use_embedding=not settings["zero_nodes"],
        )
        drawn(model.network, recorded.salt)
        for number, example in enumerate(examples_of(arrays, name, settings)):
            with torch.no_grad():
                *_, last = model.climb(example.detections, len(model.levels), False)
            assert (last.cluster.numpy() == arrays[f"{name}/map_it0_w{number}"]).all()
            compared += 1
    assert compared
