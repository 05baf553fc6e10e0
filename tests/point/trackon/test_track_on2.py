"""Track-On2 as a whole: what takes part in what, and that it learns."""

from __future__ import annotations

import itertools

import pytest
import torch
from mmengine.structures import BaseDataElement

from tests.point.trackon.released import CHANNELS2, small2
from tests.point.trackon.test_golden_training import without_chance
from vovtrack.errors import InputError
from vovtrack.point.models import track_on2
from vovtrack.point.video import follow_points

LENGTH, SIZE = 5, (64, 96)
PIXELS = 1e-3


@pytest.fixture(scope="module")
def video():
    """(2, T, 3, H, W)."""
    generator = torch.Generator().manual_seed(3)
    return torch.rand(2, LENGTH, 3, *SIZE, generator=generator) * 255


@pytest.fixture(scope="module")
def points():
    """(2, N, 2)."""
    return torch.rand(2, 6, 2, generator=torch.Generator().manual_seed(4)) * torch.tensor([96, 64])


@pytest.fixture(scope="module")
def model():
    return small2(test_cfg=dict(memory=None, support_grid=0)).eval()


@pytest.fixture
def followed(model, video, points):
    """Follow the points of both clips from given frames on."""

    def follow(times, clips=slice(None), rows=slice(None)):
        with torch.no_grad():
            return model.follow(video[clips], torch.tensor(times)[clips, rows], points[clips, rows])

    return follow


TIMES = [[0, 2, 0, 1, 3, 4], [1, 1, 2, 4, 4, 3]]
"""Frames of the queries of two clips; in the first of the second none has started."""


def test_queries_that_have_not_started_change_nothing(followed):
    """Nor do those of the other clip; a point known before has the numbers of one added later."""
    times = torch.tensor(TIMES)
    together = followed(TIMES)
    for clip, frame in itertools.product(range(2), range(LENGTH)):
        there = (times[clip] <= frame).nonzero().squeeze(1)
        if len(there):
            alone = followed(TIMES, slice(clip, clip + 1), there)[frame]
            ours = together[frame]
            torch.testing.assert_close(
                ours.points[clip, there], alone.points[0], rtol=0, atol=PIXELS
            )
            torch.testing.assert_close(ours.c2[clip, there], alone.c2[0], rtol=1e-4, atol=1e-4)


def test_training_follows_as_a_test_does(model, followed, video, points):
    """There rows are there from the first frame on, here from their own."""
    times = torch.tensor([[0, 2, 0, 1, 3, 4]] * 2)
    trained = followed(times.tolist())
    queries = torch.cat([times[:1, :, None], points[:1]], dim=-1)
    found = follow_points(model, video[:1], queries)
    for frame in range(LENGTH):
        rows = times[0] <= frame
        torch.testing.assert_close(
            found.points[0, frame, rows], trained[frame].points[0, rows], rtol=0, atol=PIXELS
        )
        torch.testing.assert_close(
            found.visible_logit[0, frame, rows],
            trained[frame].visible_logit[0, rows],
            rtol=1e-4,
            atol=1e-4,
        )


def test_a_chunk_of_queries_at_a_time_changes_nothing(video, points):
    queries = torch.cat([torch.zeros(1, 6, 1), points[:1]], dim=-1)
    whole, parts = (
        follow_points(
            small2(test_cfg=dict(memory=3, support_grid=0, query_chunk=size)).eval(),
            video[:1],
            queries,
        )
        for size in (100, 2)
    )
    torch.testing.assert_close(whole.points, parts.points, rtol=0, atol=PIXELS)


def test_the_memory_is_what_was_compared_last_visible_or_not(model, video, points):
    """It holds the tokens of the last frames after the second projection, the newest last."""
    projected = []
    hook = model.projection2.register_forward_hook(lambda *call: projected.append(call[-1]))
    with torch.no_grad():
        tokens = model.encode(video[0])
        state = model.start(model.sample(tokens, points[0], torch.zeros(6, dtype=torch.long))[None])
        before = state.context.clone()
        assert not before.any() and state.absent.all() and state.spatial.shape[2] == 0
        for frame in tokens:
            model.step(state, frame[None], logits=False)
    hook.remove()
    wanted = torch.stack(projected, dim=2)[:, :, -state.context.shape[2] :]
    assert torch.equal(state.context[:, :, -wanted.shape[2] :], wanted)
    assert state.absent.sum(-1).eq(state.absent.shape[-1] - LENGTH).all()


def test_every_layer_draws_which_slots_it_ignores(video, points, monkeypatch):
    model = without_chance(small2(mask_ratio=0.5)).train()
    drawn, plain = [], track_on2.attend_past

    def watched(sequence, ignore, **rest):
        drawn.append(ignore)
        return plain(sequence, ignore, **rest)

    monkeypatch.setattr(track_on2, "attend_past", watched)
    state = model.start(torch.randn(1, 6, CHANNELS2))
    filled = state.absent.clone()
    filled[:, :, 2:] = False
    state.absent = filled
    model.step(state, model.encode(video[0, :1]))
    first, second = drawn
    assert not torch.equal(first, second)
    for ignore in drawn:
        assert ignore[filled].all()
        assert 0 < ignore[~filled].float().mean() < 1
    model.eval()
    drawn.clear()
    state.absent = filled
    model.step(state, model.encode(video[0, :1]))
    assert all(torch.equal(ignore, filled) for ignore in drawn)


def clip(video, points):
    """A clip of moving points with its truth."""
    steps = torch.arange(LENGTH)[:, None, None] * torch.tensor([2.0, 1.0])
    truth = (points[0] * 0.8 + 2)[None] + steps
    visible = torch.ones(truth.shape[:2], dtype=torch.bool)
    visible[2, :2] = False
    times = torch.tensor([0.0, 0, 0, 0, 1, 1])
    starts = truth[times.long(), torch.arange(6)]
    queries = torch.cat([times[:, None], starts], dim=-1)
    sample = BaseDataElement(queries=queries, gt_points=truth, gt_visible=visible)
    return [video[0]], [sample]


def test_gradients_reach_every_parameter(video, points):
    torch.manual_seed(0)
    model = small2(mask_ratio=0.1).train()
    losses = model(*clip(video, points))
    assert set(losses) == {
        *("point_loss", "point_loss_local", "visibility_loss", "offset_loss"),
        *("uncertainty_loss", "uncertainty_loss_topk", "ranking_loss"),
    }
    sum(losses.values()).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(grad is not None and grad.isfinite().all() for grad in gradients.values())
    # What is added to all logits alike changes no probability.
    still = {name for name, grad in gradients.items() if grad.abs().max() < 1e-5}
    assert still == {"ms_corr_proj.bias", "reranking_head.score_layer.bias"}


def test_a_clip_is_learned(video, points):
    torch.manual_seed(0)
    model = without_chance(small2(mask_ratio=0.0)).train()
    inputs, samples = clip(video[:, :3], points)
    samples[0].gt_points, samples[0].gt_visible = (
        samples[0].gt_points[:3],
        samples[0].gt_visible[:3],
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    history = []
    for _ in range(60):
        losses = model(inputs, samples)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append({name: float(value.detach()) for name, value in losses.items()})
    first, last = history[0], history[-1]
    assert sum(last.values()) < 0.6 * sum(first.values())
    for name in ("point_loss", "point_loss_local", "visibility_loss", "ranking_loss"):
        assert last[name] < 0.8 * first[name], name


def test_two_lengths_of_memory_are_one_too_many():
    with pytest.raises(InputError, match="one memory"):
        small2(test_cfg=dict(memory=(4, 6)))
