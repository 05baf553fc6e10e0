"""The parts of DiMP's network, with seeded weights, against what the original gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.sot.networks import build, images, seeded
from vovtrack.sot.models.iou_net import refine_boxes


class Network:
    """A seeded network, and what it makes of the recorded images."""

    def __init__(self, recorded, name: str) -> None:
        self.name, self.file = name, f"network_{name}.npz"
        self.arrays, self.meta = recorded.arrays(self.file), recorded.meta(self.file)
        self.model = seeded(recorded, name)
        self.train, self.test = (
            self.model.extract(
                images(recorded, name, kind, self.meta[f"{kind}_images"], self.meta["image"])
            )
            for kind in ("train", "test")
        )
        # Of one sequence: (images, 1, ...).
        extract = self.model.classifier.extract
        self.train_feat, self.test_feat = (
            extract(maps[1])[:, None] for maps in (self.train, self.test)
        )
        self.boxes = self("train_boxes")[:, None]
        first = [maps[:1] for maps in self.train]
        self.modulation = self.model.iou_net.modulation(first, self.boxes[0])
        self.iou_feat = self.model.iou_net.features(self.test)

    def __call__(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key])

    def check(self, key: str, found: Tensor, near: float = 1e-4) -> None:
        wanted = self.arrays[key]
        assert found.shape == wanted.shape, key
        atol = near * np.abs(wanted).max()
        np.testing.assert_allclose(found.detach(), wanted, rtol=near, atol=atol, err_msg=key)


@pytest.fixture(scope="module", params=["dimp18", "dimp50"])
def network(recorded, request):
    with torch.no_grad():
        yield Network(recorded, request.param)


def test_backbone(network):
    for number, layer in enumerate(("layer2", "layer3")):
        step = network.meta[f"channel_step_{layer}"]
        network.check(layer, network.test[number][0, ::step])
        maps = torch.cat([network.train[number], network.test[number]]).flatten(1)
        stats = torch.stack([maps.mean(dim=1), maps.std(dim=1), maps.amax(dim=1)], dim=1)
        network.check(f"{layer}_stats", stats)


def test_features_and_the_first_filter(network):
    step = network.meta["channel_step_clf"]
    network.check("clf_train", network.train_feat[:, 0, ::step])
    network.check("clf_test", network.test_feat[:, 0, ::step])
    first = network.model.classifier.filter_initializer(network.train_feat, network.boxes)
    network.check("filter_init", first)


@pytest.mark.parametrize("setting", ["seeded", "default"])
def test_filters(network, setting):
    """Features of noise have much in common, which makes optimisation ill-conditioned."""
    classifier, step = network.model.classifier, network.meta["channel_step_clf"]
    if setting == "default":
        classifier = build(network.name).classifier
        classifier.filter_initializer = network.model.classifier.filter_initializer
    start = f"{setting}_"
    path = classifier.learn(network.train_feat, network.boxes)
    network.check(start + "filter_iterates", path.iterates[:, :, ::step], near=2e-3)
    network.check(start + "filter_final", path.weights, near=2e-3)
    network.check(start + "losses", path.losses, near=2e-3)
    scores = [classifier.classify(weights, network.test_feat) for weights in path.iterates]
    network.check(start + "scores", torch.stack(scores), near=2e-3)
    steps = len(network(start + "losses10")) - 1
    longer = classifier.learn(network.train_feat, network.boxes, steps=steps)
    network.check(start + "filter10", longer.weights[:, ::step], near=2e-3)
    network.check(start + "losses10", longer.losses, near=2e-3)


def test_overlap_and_its_gradient(network):
    for number, level in enumerate((3, 4)):
        network.check(f"modulation{level}", network.modulation[number])
        network.check(f"iou_feat{level}", network.iou_feat[number][0, ::16])
    boxes = network("proposals").requires_grad_()
    with torch.enable_grad():
        overlap = network.model.iou_net(network.modulation, network.iou_feat, boxes)
        (slope,) = torch.autograd.grad(overlap.sum(), boxes)
    network.check("iou_pred", overlap)
    network.check("iou_grad", slope)


def test_refined_boxes(network):
    features = [maps[:1] for maps in network.iou_feat]
    names = [name for name in network.arrays.files if name.startswith("refine_")]
    runs = {tuple(name.split("_")[1:3]) for name in names}
    assert {space for space, _ in runs} == {"default", "relative"}
    for space, length in runs:
        start = f"refine_{space}_{length}"
        wanted = network(f"{start}_boxes")
        refined = refine_boxes(
            network.model.iou_net,
            network.modulation,
            features,
            network("proposals")[:1, : wanted.shape[1]],
            steps=len(wanted),
            step_length=float(length),
            relative=space == "relative",
        )
        network.check(f"{start}_boxes", refined.boxes[:, 0])
        network.check(f"{start}_iou", refined.overlap[:, 0])
        assert (refined.boxes[-1] - refined.boxes[0]).abs().amax() > 1e-3
