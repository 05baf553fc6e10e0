"""Tracklets on boxes written by hand, and what their contrast pulls together and pushes apart."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config

from ovtrack.models.tracklets import TrackletContrast, chain_by_overlap, relations
from tests.fake_cuda import fake_cuda
from tests.waits import Waits
from vovtrack.registry import MODELS


def boxes(*corners: tuple[float, float], side: float = 20) -> torch.Tensor:
    found = torch.tensor(corners, dtype=torch.float32).reshape(-1, 2)
    return torch.cat([found, found + side], dim=1)


def build(repo_root) -> TrackletContrast:
    cfg = Config.fromfile(repo_root / "configs/mini/ovtrack_self_supervised_tracklets.py")
    return MODELS.build(cfg.model.tracklet_loss)


def ids(*frames: torch.Tensor, min_iou: float = 0.5) -> list[list[int]]:
    return [own.tolist() for own in chain_by_overlap(frames, min_iou)]


def test_a_box_that_moves_little_keeps_its_identity_in_any_order():
    first, second, third = boxes((0, 0), (50, 0)), boxes((52, 1), (3, 0)), boxes((6, 0), (54, 2))
    assert ids(first, second, third) == [[0, 1], [1, 0], [0, 1]]


def test_a_jump_or_a_frame_without_it_ends_a_tracklet():
    assert ids(boxes((0, 0)), boxes((15, 0)), boxes((17, 0))) == [[0], [1], [1]]
    assert ids(boxes((0, 0)), boxes(), boxes((0, 0))) == [[0], [], [1]]


def test_of_two_candidates_only_the_one_that_is_mutual_is_linked():
    first, second = boxes((0, 0)), boxes((4, 0), (1, 0))
    assert ids(first, second) == [[0], [1, 0]]
    assert ids(second, first) == [[0, 1], [1]]


def test_the_overlap_of_a_link_is_a_threshold():
    first, second = boxes((0, 0)), boxes((10, 0))  # IoU 1/3
    assert ids(first, second, min_iou=0.34) == [[0], [1]]
    assert ids(first, second, min_iou=0.33) == [[0], [0]]


def test_identities_are_unique_in_a_frame():
    generator = torch.Generator().manual_seed(0)
    frames = [boxes(*(torch.rand(n, 2, generator=generator) * 60).tolist()) for n in (9, 0, 8, 9)]
    assert all(len(own.unique()) == len(own) for own in chain_by_overlap(frames, 0.1))


def test_what_is_known_of_two_boxes():
    """Object 0 lies in frames 0 and 1, object 1 in both too, objects 2 and 3 are single boxes."""
    same, known = relations([torch.tensor([0, 1]), torch.tensor([1, 0, 2]), torch.tensor([3])])
    assert same.nonzero().tolist() == [[0, 3], [1, 2], [2, 1], [3, 0]]
    # Rows of the single boxes are empty, and nobody knows who is in frame 2.
    rows = [[1, 2, 3, 4], [0, 2, 3, 4], [0, 1, 3, 4], [0, 1, 2, 4], [], []]
    assert [row.nonzero()[:, 0].tolist() for row in known] == rows


def clip(seed: int = 0) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Two objects in three frames, and a third one that flashes up."""
    generator = torch.Generator().manual_seed(seed)
    places = [boxes((t, 0), (60 + t, 0)) for t in range(3)]
    places[1] = torch.cat([places[1], boxes((0, 80))])
    embeds = [torch.randn(len(own), 8, generator=generator).requires_grad_() for own in places]
    return embeds, places


def test_one_object_is_pulled_together_and_two_of_a_frame_apart(repo_root):
    embeds, places = clip()
    loss = build(repo_root)
    optimizer = torch.optim.Adam(embeds, lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        loss(embeds, places).backward()
        optimizer.step()
    unit = [F.normalize(rows, dim=1) for rows in embeds]
    alike = unit[0] @ unit[2].T
    assert alike.diagonal().min() > 0.9 and (alike - torch.diag(alike.diagonal())).max() < 0.2
    assert (unit[1][2] @ unit[1][:2].T).max() < 0.2, "a flash is a negative of its own frame"


def test_who_is_not_known_does_not_matter():
    """An object that comes back under another identity is not pushed away from its first one."""
    embeds, places = clip()
    later = [torch.randn(2, 8) for _ in range(2)]
    gone = [boxes((200, 200), (260, 200))] * 2
    loss = TrackletContrast(dict(type="UnbiasedMultiPosCELoss"))
    alone = torch.autograd.grad(loss(embeds, places), embeds)
    together = torch.autograd.grad(loss([*embeds, *later], [*places, *gone]), embeds)
    # A mean over 6 boxes became one over 10.
    for own, joined in zip(alone, together, strict=True):
        torch.testing.assert_close(joined, own * 0.6)


@pytest.mark.parametrize("counts", [(0, 0, 0), (1, 0, 0), (3, 0, 2), (2, 0, 0, 5)])
def test_clips_without_tracklets_add_nothing(repo_root, counts):
    embeds = [torch.randn(n, 8, requires_grad=True) for n in counts]
    places = [boxes(*[(50.0 * i, 90.0 * t) for i in range(n)]) for t, n in enumerate(counts)]
    loss = build(repo_root)(embeds, places)
    assert loss.item() == 0
    grads = torch.autograd.grad(loss, embeds, allow_unused=True)
    assert all(grad is None or not grad.any() for grad in grads)


def test_the_cpu_does_not_wait_and_half_precision_rounds_nothing(repo_root):
    embeds, places = clip()
    loss = build(repo_root)
    expected = loss(embeds, places)
    with fake_cuda() as device:
        moved = [[rows.detach().to(device) for rows in field] for field in (embeds, places)]
        with Waits() as waits:
            found = loss(*moved)
        assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert not waits.found, waits.found
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(embeds, places).dtype == torch.float32
