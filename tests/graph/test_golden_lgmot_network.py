"""The network and its losses with drawn weights, against values and gradients of the original."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.graph.networks import drawn
from tests.graph.recordings import close
from tests.recorded import Recorded
from tests.seeded import normal
from vovtrack.graph.models import GraphLosses, HierarchicalNet
from vovtrack.graph.models.losses import edge_loss, instance_loss, scene_loss

SHARED = ("layers.2.", "layers.3.")


class Case:
    """A graph with what the network and its losses are given."""

    def __init__(self, recorded: Recorded, name: str, settings: dict[str, Any]) -> None:
        self.arrays, self.name, self.settings = recorded.arrays("network.npz"), name, settings
        self.net = HierarchicalNet(
            sharing=settings["share_weights"],
            language=settings["prompt"],
            use_embedding=not settings["zero_nodes"],
        )
        drawn(self.net, recorded.salt, settings["weight_gain"])
        level, key, count = (settings[x] for x in ("level", "input_key", "pairs"))
        width = self.net.layers[level].encoder.edge_mlp.fc_layers[0].in_features

        def draw(shape: tuple[int, ...], what: str) -> Tensor:
            return normal(shape, recorded.salt, key, what)

        self.features = draw((count, width), "edge").requires_grad_()
        nodes = draw((settings["nodes"], self.net.node_features), "x")
        self.embedding = (settings["x_scale"] * nodes).requires_grad_()
        self.scene = None
        if settings["scene_width"]:
            scene = draw((1, settings["scene_width"]), "scene")
            scene = scene if settings["scene"] == "seeded" else torch.ones_like(scene)
            self.scene = scene, torch.zeros(2 * count, dtype=torch.long)
        self.described = draw((settings["inst_rows"], 128), "inst")
        self.pairs = torch.from_numpy(self["edge_index"]).long()
        self.labels = torch.from_numpy(self["label"]).bool().view(2, -1)
        self.known = torch.from_numpy(self["mask"])[:count]
        self.judged = self.net(level, self.pairs, self.features, self.embedding)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[f"{self.name}/{name}"]

    def __contains__(self, name: str) -> bool:
        return f"{self.name}/{name}" in self.arrays


@pytest.fixture(scope="module")
def cases(recorded) -> list[Case]:
    meta = recorded.meta("network.npz")
    found = [Case(recorded, name, s) for name, s in meta.items() if "input_key" in s]
    assert found
    return found


def test_published_keys_load_completely(recorded):
    shapes = recorded.json("checkpoint_keys_lgmot.json")
    own = HierarchicalNet().state_dict()
    assert {key: list(value.shape) for key, value in own.items()} == shapes
    assert {key: value.shape for key, value in HierarchicalNet(language=False).state_dict().items()}


def test_features_that_are_left_out(recorded):
    meta = recorded.meta("network.npz")
    cases = {name: shapes for name, shapes in meta.items() if "input_key" not in shapes}
    assert cases
    for shapes in cases.values():
        features = [width for _, width in shapes.values()]
        own = HierarchicalNet(features).state_dict()
        assert {key: list(own[key].shape) for key in shapes} == shapes


def test_steps(cases):
    for case in cases:
        close(case.judged.logits.flatten(1).detach(), case["logits"])
        close(case.judged.edges.detach(), case["edge_steps"][-len(case["logits"]) :])
        if case.judged.guided is not None:
            close(case.judged.guided.detach(), case["enc_mid"])


def test_losses(cases):
    for case in cases:
        judged, settings = case.judged, case.settings
        counted = case.known if settings["no_fp_loss"] else None
        of_edges = edge_loss(judged.logits, case.labels, settings["gamma"], counted)
        close(of_edges.detach(), case["focal"])
        if case.scene is not None and judged.guided is not None:
            close(scene_loss(judged.edges, *case.scene).detach(), case["scene_kl"])
            close(instance_loss(judged.guided, case.described)[None].detach(), case["inst_kl"])


def test_sum_and_gradients(cases):
    summed = [case for case in cases if "loss" in case]
    assert summed
    for case in summed:
        s = case.settings
        losses = GraphLosses(s["KL_loss"], s["inst_KL_loss"], s["gamma"], s["no_fp_loss"])
        found = losses(case.judged, case.labels, case.known, case.scene, case.described)
        total = torch.stack(list(found.values())).sum()
        close(total[None].detach(), case["loss"])
        case.net.zero_grad()
        total.backward(retain_graph=True)
        check_gradients(case)


def check_gradients(case: Case) -> None:
    parameters = dict(case.net.named_parameters())
    compared = 0
    for name in case.arrays.files:
        place, _, key = name.removeprefix(f"{case.name}/").partition("/")
        if not name.startswith(f"{case.name}/") or not place.startswith("grad") or not key:
            continue
        if key not in parameters:
            key = "layers.1." + key.split(".", 2)[2]
        gradient = parameters[key].grad
        assert gradient is not None
        if place == "grad_rownorm":
            gradient = gradient.norm(dim=1)
        elif place == "grad_cols":
            gradient = gradient[:, ::128]
        close(gradient, case.arrays[name], 1e-5)
        compared += 1
    if "grad_edge_attr" in case:
        assert compared
        both = case["grad_edge_attr"].reshape(2, *case.features.shape).sum(axis=0)
        close(case.features.grad, both)
        if case.net.use_embedding:
            close(case.embedding.grad.norm(dim=1), case["grad_x_rownorm"])


def test_nothing_of_the_image_reaches_nodes_that_begin_alike(cases):
    """As in the released runs: descriptions then teach a bias, whatever is to be seen."""
    alike = [case for case in cases if not case.net.use_embedding]
    assert alike
    for case in alike:
        assert case.judged.guided is not None
        assert (case.judged.guided == case.judged.guided[0]).all()
