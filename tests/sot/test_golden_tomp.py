"""ToMP's network and training loss, against what the original gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.seeded import normal
from tests.sot.networks import seeded
from vovtrack.sot.labels import gaussian_label, side_distances
from vovtrack.sot.models.keys import TOMP_KEYS
from vovtrack.sot.models.target_transformer import position_encoding

NAME = "tomp50.npz"


class Golden:
    """The file, the seeded network, and the features of the recorded images."""

    def __init__(self, recorded) -> None:
        self.arrays, self.meta = recorded.arrays(NAME), recorded.meta(NAME)
        self.model = seeded(recorded, "tomp50")
        side, sequences = self.meta["image"], self.meta["sequences"]
        self.images = [
            normal(
                (len(self.arrays[f"{kind}_anno"]), sequences, 3, side, side),
                recorded.salt,
                "tomp",
                kind,
            )
            for kind in ("train", "test")
        ]
        with torch.no_grad():
            self.train, self.test = (
                self.model.extract(images.flatten(0, 1)).unflatten(0, images.shape[:2])
                for images in self.images
            )
        self.known = self("train_label"), self("train_ltrb_target")

    def __call__(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key])

    def check(self, key: str, found: Tensor, near: float = 2e-4) -> None:
        wanted = self.arrays[key]
        assert tuple(found.shape) == wanted.shape, key
        atol = near * np.abs(wanted).max()
        np.testing.assert_allclose(found.detach(), wanted, rtol=near, atol=atol, err_msg=key)


@pytest.fixture(scope="module")
def golden(recorded):
    return Golden(recorded)


def test_places(golden):
    encoding = golden("pos_encoding")
    resolution = golden.model.predictor.resolution
    found = position_encoding(encoding.shape[1:], len(encoding), resolution)
    np.testing.assert_allclose(found, encoding, atol=2e-5)


def test_what_is_told_of_the_target(golden):
    size = golden("train_label").shape[-1]
    stride = golden.meta["image"] // size
    for kind in ("train", "test"):
        boxes = golden(f"{kind}_anno")
        golden.check(f"{kind}_ltrb_target", side_distances(boxes, size, stride))
        label = gaussian_label(boxes, 0.05, 1, size, stride, density=False)
        golden.check(f"{kind}_label", label)


def test_a_filter_and_what_it_finds(golden):
    golden.check("train_feat", golden.train[:, :, ::8])
    with torch.no_grad():
        made = golden.model.predictor(golden.train, golden.test, *golden.known)
        golden.check("filter", made.weights)
        golden.check("test_feat_enc", made.feat[:, :, ::8])
        found = golden.model.find(golden.train, golden.test, *golden.known)
    golden.check("scores", found.scores)
    golden.check("ltrb", found.sides)


def test_frames_that_were_only_tracked(golden):
    """Of the first sequence, whose first frame is true."""
    first = [values[:, :1] for values in (golden.train, golden.test, *golden.known)]
    is_truth = torch.arange(len(golden.train)) < 1
    with torch.no_grad():
        found = golden.model.track(*first, is_truth)
        for name, unseen in (("cls", None), ("box", ~is_truth[:, None])):
            made = golden.model.predictor(*first, unseen)
            golden.check(f"parallel_{name}_filter", made.weights[0])
    golden.check("parallel_scores", found.scores)
    golden.check("parallel_ltrb", found.sides)


def test_loss_and_gradients(golden):
    """Of the config's losses."""
    model = golden.model
    label, sides = golden.known
    truth = dict(
        train_label=label,
        train_sides=sides,
        test_label=golden("test_label"),
        test_sides=golden("test_ltrb_target"),
        test_region=golden("test_sample_region")[:, :, 0].bool(),
    )
    losses = model.learn(*golden.images, truth)
    total = losses["loss_grid"] + losses["loss_box"]
    golden.check("loss", total)
    stats = golden.meta["stats"]
    assert losses["loss_box"].item() == pytest.approx(stats["Loss/GIoU"], rel=1e-3)
    assert float(losses["overlap"]) == pytest.approx(stats["mIoU"], rel=1e-3)
    total.backward()
    own = {key: value.grad for key, value in model.named_parameters()}
    for key, norm in golden.meta["grad_norms"].items():
        ours = TOMP_KEYS.translate(key.replace("query_embed_fg.", "query_embed_fg_decoder."))[0]
        assert float(own.pop(ours).norm()) == pytest.approx(norm, rel=2e-3, abs=1e-4), key
    frozen = {TOMP_KEYS.translate(key)[0] for key in golden.meta["no_grad"]} - {None}
    assert own.keys() == frozen and not any(grad is not None for grad in own.values())
