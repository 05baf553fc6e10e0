"""The spatial loss: recorded values, and what released and corrected targets teach."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ovtrack.models import SpatialConsistencyLoss
from tests.fake_cuda import fake_cuda
from tests.waits import Waits


def clip(frames=4, objects=3, dims=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(objects, 2, generator=generator) * 100
    boxes = torch.cat([corners, corners + 20], dim=1)
    embeds = [
        torch.randn(objects, dims, generator=generator).requires_grad_() for _ in range(frames)
    ]
    scores = [torch.rand(objects, generator=generator) for _ in range(frames)]
    return embeds, [boxes] * frames, scores


def test_recorded_value_and_gradients(golden):
    recorded = golden("losses.npz")
    embeds = [torch.from_numpy(recorded[f"cycle_feat{i}"]).requires_grad_() for i in range(4)]
    boxes = [torch.from_numpy(recorded[f"spatial_boxes{i}"]) for i in range(4)]
    loss = SpatialConsistencyLoss(loss_weight=0.1)(
        embeds, [b[:, :4] for b in boxes], [b[:, 4] for b in boxes]
    )
    assert loss.item() == pytest.approx(float(recorded["spatial_loss"]), abs=1e-6)
    for i, grad in enumerate(torch.autograd.grad(loss, embeds)):
        assert (grad - torch.from_numpy(recorded[f"spatial_grad{i}"])).abs().max() < 1e-8


def test_separately_moved_frames_have_no_positive_but_the_box_itself():
    """Why the released term only pushes apart."""
    embeds, boxes, scores = clip()
    moved = [b * (1 + 0.1 * t) + 7 * t for t, b in enumerate(boxes)]
    loss = SpatialConsistencyLoss()(embeds, moved, scores)
    unit = F.normalize(torch.cat(embeds), dim=1)
    alike = ((unit @ unit.T + 1) / 2).clamp(0, 1)
    expected = F.binary_cross_entropy(alike, torch.eye(len(unit)))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_static_objects_are_pulled_together_when_compared_in_one_place():
    embeds, boxes, scores = clip()
    part = SpatialConsistencyLoss(
        iou_thr=0.7, neg_iou_thr=0.3, frame_gap=1, include_self=False, balanced=True
    )
    optimizer = torch.optim.Adam(embeds, lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        part(embeds, boxes, scores).backward()
        optimizer.step()
    unit = [F.normalize(rows, dim=1) for rows in embeds]
    alike = unit[0] @ unit[1].T
    assert alike.diagonal().min() > 0.8 and (alike - torch.diag(alike.diagonal())).max() < 0.3


def test_only_neighbours_count_and_the_band_between_thresholds_does_not():
    embeds, boxes, scores = clip(frames=3, objects=1)
    part = SpatialConsistencyLoss(iou_thr=0.7, frame_gap=1, include_self=False)
    grads = torch.autograd.grad(part(embeds, [boxes[0], boxes[0] + 500, boxes[0]], scores), embeds)
    assert all(grad.any() for grad in grads)
    far = SpatialConsistencyLoss(iou_thr=0.7, neg_iou_thr=0.3, frame_gap=1, include_self=False)
    shifted = [boxes[0], boxes[0] + torch.tensor([7.0, 0, 7, 0]), boxes[0] + 900]
    assert 0.3 < 13 / 27 < 0.7
    grads = torch.autograd.grad(far(embeds, shifted, scores), embeds)
    assert not grads[0].any() and grads[1].any() and grads[2].any()


def test_best_boxes_count():
    embeds, boxes, scores = clip(objects=6)
    few = SpatialConsistencyLoss(top_k=2)(embeds, boxes, scores)
    best = [s.topk(2).indices for s in scores]
    picked = [
        [rows[keep] for rows, keep in zip(field, best, strict=True)]
        for field in (embeds, boxes, scores)
    ]
    again = SpatialConsistencyLoss(top_k=10)(*picked)
    assert few.item() == pytest.approx(again.item(), rel=1e-6)


def flat_among_others():
    embeds, boxes, scores = clip(frames=2, objects=3)
    flat = boxes[0].clone()
    flat[1, 2] = flat[1, 0]
    return embeds, [flat, boxes[1]], scores


def test_a_flat_box_is_its_own_negative_as_released():
    embeds, boxes, scores = flat_among_others()
    unit = F.normalize(torch.cat(embeds), dim=1)
    alike = ((unit @ unit.T + 1) / 2).clamp(0, 1)
    same = torch.eye(3).repeat(2, 2)
    same[1] = same[:, 1] = 0
    expected = F.binary_cross_entropy(alike, same)
    found = SpatialConsistencyLoss()(embeds, boxes, scores)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_flat_box_does_not_count_when_left_out():
    embeds, boxes, scores = flat_among_others()
    without = [embeds[0][[0, 2]], embeds[1]], [boxes[0][[0, 2]], boxes[1]]
    for settings in (dict(), dict(frame_gap=1, include_self=False, balanced=True)):
        part = SpatialConsistencyLoss(flat_boxes=False, **settings)
        found = part(embeds, boxes, scores)
        expected = part(*without, [scores[0][[0, 2]], scores[1]])
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)
        assert not torch.autograd.grad(found, embeds[0])[0][1].any()


def test_no_number_reaches_the_loss():
    """The loss scaler or the run's own check must see it."""
    embeds, boxes, scores = clip(frames=2, objects=3)
    broken = [embeds[0].detach().clone(), embeds[1]]
    broken[0][1] = float("inf")
    assert SpatialConsistencyLoss()(broken, boxes, scores).isnan()


def test_nothing_is_fetched_from_the_device():
    embeds, boxes, scores = clip(objects=6)
    with fake_cuda() as device:
        moved = [[rows.detach().to(device) for rows in field] for field in (embeds, boxes, scores)]
        with Waits() as waits:
            value = SpatialConsistencyLoss(top_k=4, frame_gap=1, balanced=True)(*moved)
        value = value.item()
    assert waits.found == []
    expected = SpatialConsistencyLoss(top_k=4, frame_gap=1, balanced=True)(embeds, boxes, scores)
    assert value == pytest.approx(expected.item())


def test_rounding_above_one_and_boxes_without_area_stay_finite():
    same = torch.full((2, 3), 0.3).requires_grad_()
    boxes = torch.tensor([[0.0, 0, 0, 0], [5, 5, 9, 9]])
    loss = SpatialConsistencyLoss()([same, same], [boxes, boxes], [torch.ones(2)] * 2)
    assert loss.isfinite() and torch.autograd.grad(loss, same)[0].isfinite().all()


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("objects", [0, 1])
def test_nothing_to_compare(objects, balanced):
    embeds = [torch.randn(objects, 4, requires_grad=True), torch.zeros(0, 4, requires_grad=True)]
    boxes = [torch.ones(objects, 4), torch.zeros(0, 4)]
    part = SpatialConsistencyLoss(include_self=False, balanced=balanced)
    loss = part(embeds, boxes, [torch.ones(objects), torch.zeros(0)])
    assert loss.item() == 0
    loss.backward()
