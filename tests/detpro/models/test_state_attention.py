"""State pairs: what is refused, and what the weights depend on."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from detpro.models import StateAttention
from tests.places import CLIP
from vovtrack.errors import InputError

ENCODER = dict(type="ClipEncoder", templates="name", **CLIP)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("complete", "must be a list"),
        ([], "must be a list"),
        (["complete", "incomplete"], "state pair 0 is 'complete': expected two words"),
        ([("complete",)], "state pair 0 is .* expected two words"),
        ([("a", "b"), ("c", " ")], "state pair 1 is"),
        ([("clear", "clear")], "same word 'clear' twice"),
    ],
)
def test_malformed_pairs(pairs, message):
    with pytest.raises(InputError, match=message):
        StateAttention(ENCODER, pairs=pairs)


@pytest.mark.parametrize("wrong", [dict(apply_to="none"), dict(scope="x"), dict(normalize="mean")])
def test_unknown_choices(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} is"):
        StateAttention(ENCODER, **wrong)


def test_embeddings_of_another_clip():
    with pytest.raises(InputError, match="Regions have 512 dimensions, the state words 64"):
        StateAttention(ENCODER).probability(torch.ones(2, 512))


def test_a_region_like_the_favourable_words_counts_and_swapping_words_swaps():
    part = StateAttention(ENCODER, temperature=0.001)
    good, bad = part.state_embeds()[..., 0].mean(0), part.state_embeds()[..., 1].mean(0)
    region = F.normalize(good - bad, dim=0)[None]
    swapped = StateAttention(ENCODER, pairs=[p[::-1] for p in part.pairs], temperature=0.001)
    high, low = part.probability(region), swapped.probability(region)
    assert high > 0.7 and torch.allclose(high + low, torch.ones(1), atol=1e-5)
    assert part(region, torch.tensor([3]), 9).item() == 1 and swapped.clamp(low).item() == 0
    assert not part.state_dict()


def test_background_may_keep_its_weight():
    part = StateAttention(ENCODER, low=1.0, high=1.1, apply_to="foreground")
    weights = part(F.normalize(torch.randn(3, 64), dim=1), torch.tensor([1, 9, 2]), 9)
    assert weights.tolist() == [0, 1, 0]


def test_normalising_by_the_weights_is_their_mean():
    losses, weights = torch.tensor([1.0, 3.0, 8.0]), torch.tensor([1.0, 1.0, 0.0])
    assert StateAttention(ENCODER, normalize="sum").reduce(losses, weights).item() == 2
    assert StateAttention(ENCODER).reduce(losses, weights).item() == pytest.approx(4 / 3)
