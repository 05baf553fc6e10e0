"""Recorded losses of image pairs, with their gradients, and recorded match scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config

from ovtrack.models import PairEmbedHead
from ovtrack.similarity import bidirectional_softmax
from tests.places import ROOT
from vovtrack.registry import MODELS

FILE = "track_losses.npz"
AFFINITY = "affinity_"


class Case:
    """One recorded batch: embeddings and identities of key and reference regions."""

    def __init__(self, arrays, name: str) -> None:
        self.arrays, self.name = arrays, name
        # Other settings were run on the inputs of a plain case.
        own = f"{name}/key_ids0" in arrays.files
        self.inputs = name if own else name.rpartition("_")[0]
        self.keys = [self.input(f"key{place}") for place in self.places("key_ids")]
        self.refs = {place: self.input(f"ref{place}") for place in self.places("ref_ids")}

    def places(self, side: str) -> list[str]:
        """Batch elements, as the names of ``side`` end; of references also which view."""
        start = f"{self.inputs}/{side}"
        return [key.removeprefix(start) for key in self.arrays.files if key.startswith(start)]

    def input(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[f"{self.inputs}/{name}"]).requires_grad_()

    def result(self, name: str) -> np.ndarray | None:
        key = f"{self.name}/{name}"
        return self.arrays[key] if key in self.arrays.files else None

    def pairs(self) -> tuple[list, list, list]:
        """Key and reference embeddings of each pair of images, and which are of one object."""
        keys = [self.keys[int(place.split("_")[1])] for place in self.refs]
        ids = [
            [torch.from_numpy(self.arrays[f"{self.inputs}/{side}_ids{at}"]) for side, at in names]
            for names in ((("key", p.split("_")[1]), ("ref", p)) for p in self.refs)
        ]
        targets = [key[:, None] == ref for key, ref in ids]
        return keys, list(self.refs.values()), targets


def cases(arrays) -> list[Case]:
    names = sorted({key.split("/")[0] for key in arrays.files if key.endswith("/loss_track")})
    return [Case(arrays, name) for name in names]


def head(settings: dict, case: Case) -> PairEmbedHead:
    """That of the shipped config, set as the recorded original was."""
    config = Config.fromfile(ROOT / "configs/_base_/models/qdtrack_association.py")
    parts = config.model.track_head
    parts.loss_track.update(loss_weight=settings["track_loss_weight"], eps=settings["eps"])
    for name in ("neg_pos_ub", "pos_margin", "neg_margin"):
        parts.loss_track_aux[name] = settings[name]
    if case.name.endswith("_o"):
        parts.loss_track.eps = 0.0
        parts.loss_track_aux.neg_margin = 0.1
    if case.name.endswith("_temp"):
        parts.update(softmax_temp=settings["temperature_case"], temp_metric="dot")
    # The layers are not run.
    return MODELS.build(dict(parts, num_convs=0, num_fcs=0))


def agree(found: torch.Tensor, expected: np.ndarray, case: Case, what: str) -> None:
    tolerance = 1e-5 * max(np.abs(expected).max(initial=0), 1e-6)
    np.testing.assert_allclose(
        found.detach().numpy(), expected, rtol=0, atol=tolerance, err_msg=f"{case.name}: {what}"
    )


@pytest.mark.parametrize("term", ["track", "aux"])
def test_losses_and_gradients(recorded, term):
    arrays, settings = recorded.arrays(FILE), recorded.meta(FILE)
    for case in cases(arrays):
        losses = head(settings, case).pair_loss(*case.pairs())
        loss = losses["loss_track" if term == "track" else "loss_track_aux"]
        agree(loss, case.result(f"loss_{term}"), case, "value")
        inputs = {f"key{b}": key for b, key in enumerate(case.keys)}
        inputs |= {f"ref{place}": ref for place, ref in case.refs.items()}
        gradients = torch.autograd.grad(loss, list(inputs.values()), allow_unused=True)
        for (name, value), gradient in zip(inputs.items(), gradients, strict=True):
            gradient = torch.zeros_like(value) if gradient is None else gradient
            assert gradient.isfinite().all(), f"{case.name}: {name}"
            expected = case.result(f"grad_{term}_{name}")
            if expected is not None:
                agree(gradient, expected, case, name)


def test_match_scores(recorded):
    arrays = recorded.arrays(FILE)
    names = sorted({key.split("/")[0] for key in arrays.files if key.startswith(AFFINITY)})
    assert names
    for name in names:
        dets, memory, classes, others = (
            arrays[f"{name}/{part}"] for part in ("dets", "memory", "det_classes", "memory_classes")
        )
        scores = bidirectional_softmax(dets @ memory.T, eps=0)
        same = classes[:, None] == others
        for found, key in ((scores, "without"), (scores * same, "with_categories")):
            expected = arrays[f"{name}/{key}"]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())
