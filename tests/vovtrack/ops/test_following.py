"""Objects are followed by overlap."""

from __future__ import annotations

import pytest
import torch

from vovtrack.ops.following import follow_boxes


def boxes(*lefts: float) -> torch.Tensor:
    """Boxes of 10 x 10 in a row."""
    return torch.tensor([[x, 0.0, x + 10, 10] for x in lefts]).reshape(-1, 4)


def test_a_moving_object_keeps_its_identity():
    clip = [boxes(0, 50), boxes(53, 3), boxes(6, 56), boxes(9)]
    assert [ids.tolist() for ids in follow_boxes(clip, 0.3)] == [[0, 1], [1, 0], [0, 1], [0]]


def test_a_gap_ends_an_identity():
    clip = [boxes(0), boxes(), boxes(0)]
    assert [ids.tolist() for ids in follow_boxes(clip, 0.3)] == [[0], [], [1]]


def test_a_small_overlap_is_another_object():
    clip = [boxes(0), boxes(6)]
    assert [ids.tolist() for ids in follow_boxes(clip, 0.2)] == [[0], [0]]
    assert [ids.tolist() for ids in follow_boxes(clip, 0.3)] == [[0], [1]]


def test_only_the_best_of_two_follows():
    clip = [boxes(0), boxes(4, 1)]
    assert [ids.tolist() for ids in follow_boxes(clip, 0.1)] == [[0], [1, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_identities_are_unique_inside_a_frame(seed):
    generator = torch.Generator().manual_seed(seed)
    corners = [torch.rand(n, 2, generator=generator) * 30 for n in (9, 0, 12, 7, 8)]
    clip = [torch.cat([c, c + 15], dim=1) for c in corners]
    for ids in follow_boxes(clip, 0.1):
        assert len(ids.unique()) == len(ids)


def test_no_clip():
    assert follow_boxes([], 0.3) == []
