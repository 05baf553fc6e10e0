"""KeepTrack's candidates, their matching and its losses, against what the original gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.seeded import normal
from tests.sot.networks import seeded
from vovtrack.sot.models.candidate_matcher import Candidates, normalize_points
from vovtrack.sot.models.keep_track import candidate_points
from vovtrack.sot.models.keys import KEEP_TRACK_KEYS
from vovtrack.sot.models.matching_loss import matching_loss, matching_scores
from vovtrack.sot.models.optimal_transport import log_sinkhorn

NAME = "keeptrack_matching.npz"
PROBABILITIES = dict(rtol=1e-4, atol=1e-4)


class Golden:
    """The arrays of the file."""

    def __init__(self, recorded) -> None:
        self.arrays, self.meta = recorded.arrays(NAME), recorded.meta(NAME)

    def __call__(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key])

    def check(self, key: str, found: Tensor | np.ndarray, rtol: float = 1e-4) -> None:
        found = torch.as_tensor(found)
        wanted = self.arrays[key]
        assert tuple(found.shape) == wanted.shape, key
        atol = rtol * np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
        np.testing.assert_allclose(found.detach(), wanted, rtol=rtol, atol=atol, err_msg=key)

    def candidates(self, start: str, number: int) -> Candidates:
        """Of one frame of a batch."""
        found = [self(f"{start}_{letter}{number}") for letter in "dks"]
        return Candidates(*(x if start == "loss" else x[None] for x in found))


@pytest.fixture(scope="module")
def golden(recorded):
    return Golden(recorded)


@pytest.fixture(scope="module")
def net(recorded):
    return seeded(recorded, "keep_track").candidates


@pytest.fixture
def sizes(golden):
    """Image sizes of each case, as training and as tracking give them."""
    return [
        {"tensor": tuple(case["image"]), "tuple": tuple(case["image"][::-1])}
        for case in golden.meta["cases"]
    ]


def test_candidates_of_maps(golden, net):
    numbers = [key.removesuffix("_map") for key in golden.arrays.files if key.endswith("_map")]
    assert numbers
    for start in numbers:
        scores = golden(f"{start}_map")
        cells, found = net.find(scores, golden.meta[f"{start}_threshold"])
        wanted = golden(f"{start}_coords")
        # Among equal scores the original has no order.
        assert {tuple(c) for c in cells.tolist()} == {tuple(c) for c in wanted.tolist()}
        golden.check(f"{start}_scores", found)
        points = candidate_points(wanted, scores.shape, golden(f"{start}_box"))
        golden.check(f"{start}_image_coords", points)


def test_descriptors(golden, net, recorded):
    feat = normal((1, 1024, 22, 22), recorded.salt, "kt", "layer3")
    with torch.no_grad():
        found = net.describe(feat, golden("descriptor_coords")[None])
    golden.check("descriptors", found[0, :: found.shape[1] // len(golden("descriptors"))])


def test_sinkhorn(golden):
    names = [key for key in golden.arrays.files if key.startswith("sinkhorn_out")]
    assert names
    for name in names:
        iterations = int(name.removeprefix("sinkhorn_out"))
        found = log_sinkhorn(golden("sinkhorn_in"), golden("sinkhorn_bin"), iterations)
        golden.check(name, found)
    assert torch.allclose(found[:, :, :-1].exp().sum(dim=1), torch.ones(()), atol=1e-5)
    assert torch.allclose(found[:, :-1].exp().sum(dim=2), torch.ones(()), atol=1e-3)


def test_places(golden, sizes):
    points = golden(f"m{len(sizes) - 1}_k0")
    for way, size in sizes[-1].items():
        golden.check(f"normalized_{way}", normalize_points(points, size))


def test_matching(golden, net, sizes):
    matcher = net.matcher
    with torch.no_grad():
        for number, ways in enumerate(sizes):
            first, second = (golden.candidates(f"m{number}", k) for k in (0, 1))
            for way, size in ways.items():
                start = f"m{number}_{way}"
                found = matcher(first, second, size)
                golden.check(f"{start}_log_assignment", found[0], rtol=2e-4)
                for frame, matches in enumerate(matcher.match(found)):
                    assert matches.partner[0].tolist() == golden(f"{start}_matches{frame}").tolist()
                    golden.check(f"{start}_prob{frame}", matches.probability[0])


def test_within_the_matcher(golden, net, sizes):
    """Recorded of one of the two ways of giving the size."""
    matcher = net.matcher
    with torch.no_grad():
        for number, ways in enumerate(sizes):
            first, second = (golden.candidates(f"m{number}", k) for k in (0, 1))
            size = ways["tuple"]
            told = [matcher.encode(candidates, size) for candidates in (first, second)]
            golden.check(f"m{number}_keypoint0", told[0][0, ::8])
            passed = matcher.attend(first.descriptors + told[0], second.descriptors + told[1])
            for frame in (0, 1):
                golden.check(f"m{number}_gnn{frame}", passed[frame][0, ::8])
            golden.check(f"m{number}_proj1", matcher.final_proj(passed[1])[0, ::8])


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_losses_and_gradients(golden, recorded, sizes, mode):
    matcher = seeded(recorded, "keep_track").candidates.matcher.train(mode == "train")
    first, second = (golden.candidates("loss", k) for k in (0, 1))
    first.descriptors.requires_grad_()
    found = matcher(first, second, sizes[0]["tensor"])
    found.retain_grad()
    right = [golden(f"loss_gt_matches{k}").long() for k in (0, 1)]
    loss = matching_loss(found, *right)
    start = f"loss_{mode}_"
    golden.check(start + "log_assignment", found, rtol=1e-3)
    golden.check(start + "total", loss.total)
    golden.check(start + "nll_pos", loss.matched)
    golden.check(start + "nll_neg", loss.alone)
    golden.check(start + "num_matchable", loss.num_matched)
    golden.check(start + "num_unmatchable", loss.num_alone)
    golden.check(start + "sinkhorn_norm", found.exp()[:, :-1].sum(dim=2).mean(dim=1))
    scores = matching_scores(matcher.match(found)[0].partner, right[0])
    golden.check(start + "recall", scores.recall)
    golden.check(start + "precision", scores.precision)
    # The same is known of pairs as of candidates.
    pairs = golden("loss_gt_assignment")
    assert ((right[0] >= 0) == pairs.any(dim=2)).all()
    assert (pairs.argmax(dim=2) == right[0].clamp(min=0)).all()
    loss.total.mean().backward()
    golden.check(start + "grad_log_assignment", found.grad)
    golden.check(start + "grad_d0", first.descriptors.grad[:, ::8], rtol=1e-3)
    norms = golden.meta[start + "grad_norms"]
    wanted = {KEEP_TRACK_KEYS.translate(f"matcher.{key}")[0]: norm for key, norm in norms.items()}
    own = {
        f"candidates.matcher.{key}": value.grad.norm() for key, value in matcher.named_parameters()
    }
    assert wanted.keys() == own.keys()
    for key, norm in wanted.items():
        assert float(own[key]) == pytest.approx(norm, rel=1e-3, abs=1e-5), key
