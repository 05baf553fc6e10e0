"""The parts that Track-On2 does not share with Track-On, in plain form or by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.point.trackon.released import small2
from vovtrack.point.models import PointLosses, Prediction, RankedPointLosses
from vovtrack.point.models.fpn import FeaturePyramid
from vovtrack.point.models.pyramid import Pyramid, pyramid_shapes, rows
from vovtrack.point.models.rerank import RerankingHead

CLOSE = dict(rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def model():
    return small2(test_cfg=dict(memory=None, support_grid=0)).eval()


class Zeros(nn.Module):
    """Gives zeros in the shape of its first input."""

    def forward(self, query, *_):
        return torch.zeros_like(query)


def test_coarse_maps_are_repeated_onto_finer_ones():
    maps = [torch.randn(2, 32, 8 // s, 16 // s) for s in (1, 2, 4, 8)]
    fpn = FeaturePyramid(32)
    for name in ("lateral8", "lateral16", "lateral32", "output"):
        setattr(fpn, name, nn.Identity())
    found = fpn(Pyramid(torch.cat([rows(m) for m in maps], dim=1), pyramid_shapes((8, 16))))
    wanted = sum(
        m.repeat_interleave(s, dim=2).repeat_interleave(s, dim=3)
        for m, s in zip(maps, (1, 2, 4, 8), strict=True)
    )
    torch.testing.assert_close(found, rows(wanted))


def test_each_map_goes_through_its_own_layers():
    """The finest through none before it is added to."""
    maps = [torch.randn(1, 32, 16 // s, 16 // s) for s in (1, 2, 4, 8)]
    fpn = FeaturePyramid(32).eval()

    def layers(part, x):
        conv, norm = part[0], part[1]
        x = F.conv2d(x, conv.weight, conv.bias, padding=conv.padding)
        grouped = x.reshape(1, 32, -1)
        mean, var = grouped.mean(-1, keepdim=True), grouped.var(-1, correction=0, keepdim=True)
        normed = ((grouped - mean) / (var + 1e-5).sqrt()).reshape(x.shape)
        return F.relu(normed * norm.weight[:, None, None] + norm.bias[:, None, None])

    def doubled(x):
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    x = doubled(layers(fpn.lateral32, maps[3])) + layers(fpn.lateral16, maps[2])
    x = doubled(x) + layers(fpn.lateral8, maps[1])
    x = layers(fpn.output, doubled(x) + maps[0])
    wanted = F.conv2d(x, fpn.output[3].weight, fpn.output[3].bias, padding=1)
    tokens = torch.cat([rows(m) for m in maps], dim=1)
    found = fpn(Pyramid(tokens, pyramid_shapes((16, 16))))
    torch.testing.assert_close(found, rows(wanted), **CLOSE)


def test_reranking_puts_what_it_found_before_the_query():
    head = RerankingHead(8, num_heads=2, k=3, layers=1).eval()
    head.local_decoder = nn.ModuleList([Zeros()])
    head.fusion = Zeros()
    queries, best = torch.randn(1, 2, 8), torch.tensor([[[5, 0, 9], [3, 2, 1]]])
    pyramid = Pyramid(torch.randn(1, 85, 8), pyramid_shapes((8, 8)))
    found, centres, uncertain, score = head(queries, best, pyramid)
    entered = queries @ head.fusion_layer.weight[:, 8:].T + head.fusion_layer.bias
    for layer, said in ((head.certainty_layer, uncertain), (head.score_layer, score)):
        wanted = entered @ layer.weight[0] + layer.bias
        torch.testing.assert_close(said, wanted[..., None].expand(-1, -1, 3))
    final = head.final_projection_layer
    torch.testing.assert_close(found, queries @ final.weight[:, 8:].T + final.bias)
    assert centres[0, 0].tolist() == [[22, 2], [2, 2], [6, 6]]


def plain_attention(layer, query, key, value):
    """PyTorch's own attention under the weights of a layer."""
    own = nn.MultiheadAttention(query.shape[-1], layer.mha.num_heads, batch_first=True)
    own.load_state_dict(layer.mha.state_dict())
    x = layer.norm1(query + own.eval()(query, key, value, need_weights=False)[0])
    return layer.norm2(x + layer.linear2(layer.linear1(x).relu()))


def plain_logits(model, queries, maps):
    """Cosine similarity with each map, brought to the finest, through the mixing layer."""
    similar = []
    for level in maps:
        cells = F.normalize(rows(level), dim=-1)[0]
        cosine = F.normalize(queries, dim=-1)[0] @ cells.T
        square = cosine.unflatten(-1, level.shape[-2:])[:, None]
        similar.append(F.interpolate(square, model.grid, mode="bilinear", align_corners=False))
    return model.ms_corr_proj(torch.cat(similar, dim=1)).flatten(1)[None]


def plain_step(model, initial, past, fused, maps):
    """One frame, point by point where the past is concerned, with only the slots that are full."""
    queries, pasts = initial, past.clone()
    table = model.t_embedding[0, -1 - past.shape[2] :]
    layers = zip(
        model.feature_attention, model.query_attention, model.memory_attention, strict=True
    )
    for to_frame, to_others, to_past in layers:
        queries = plain_attention(to_frame, queries, fused, fused)
        queries = plain_attention(to_others, queries, queries, queries)
        for row in range(queries.shape[1]):
            now = torch.cat([pasts[0, row], queries[0, row, None]])[None]
            looked = plain_attention(to_past, now + table, now + table, now)[0]
            pasts[0, row], queries[0, row] = looked[:-1], looked[-1]
    queries = model.projection1(queries)
    c1 = plain_logits(model, queries, maps)
    best = c1.topk(model.reranking_head.k).indices
    pyramid = Pyramid(torch.cat([rows(m) for m in maps], dim=1), pyramid_shapes(model.grid))
    queries, *_ = model.reranking_head(queries, best, pyramid)
    queries = model.projection2(queries)
    c2 = plain_logits(model, queries, maps)
    number = c2.argmax(-1)
    patch = torch.stack([number % model.grid[1], number // model.grid[1]], dim=-1) * 4.0 + 2
    x = queries
    for layer in model.prediction_head.offset_transformer:
        places = patch / torch.tensor(model.input_size[::-1])
        x = layer(x, pyramid.tokens, places, pyramid.shapes)
    head = model.prediction_head
    points = patch + 4 * head.offset_layer(x).tanh()
    visible = head.vis_layer[2](head.vis_layer[0](queries).relu())
    return queries, points, visible.squeeze(-1), c1, c2


@torch.no_grad()
def test_frames_are_those_of_the_plain_form(model):
    """An empty memory is looked at, too: then a query sees itself."""
    generator = torch.Generator().manual_seed(5)
    frames = torch.rand(3, 3, *model.input_size, generator=generator) * 255
    points = torch.rand(4, 2, generator=generator) * torch.tensor([96, 64])
    tokens = model.encode(frames)
    initial = model.sample(tokens, points, torch.zeros(4, dtype=torch.long))[None]
    state = model.start(initial)
    past = initial.new_zeros(1, 4, 0, initial.shape[-1])
    for frame in range(3):
        said = model.step(state, tokens[frame, None])
        maps = model.backbone(frames[frame, None]).maps()
        fused = model.fpn(model.backbone(frames[frame, None]))
        queries, places, visible, c1, c2 = plain_step(model, initial, past, fused, maps)
        torch.testing.assert_close(said.c1, c1, **CLOSE)
        torch.testing.assert_close(said.c2, c2, **CLOSE)
        torch.testing.assert_close(said.points, places, rtol=0, atol=1e-3)
        torch.testing.assert_close(said.visible_logit, visible, **CLOSE)
        torch.testing.assert_close(state.context[:, :, -1], queries, **CLOSE)
        past = torch.cat([past, queries[:, :, None]], dim=2)


def one_point(**said) -> Prediction:
    """What is said of one point with two candidates, 4 patches in a row."""
    given = dict(
        points=torch.tensor([[[6.0, 2.0]]]),
        visible_logit=torch.zeros(1, 1),
        uncertainty_logit=torch.tensor([[2.0]]),
        patch=torch.tensor([[[6.0, 2.0]]]),
        offsets=torch.zeros(1, 1, 1, 2),
        top_points=torch.tensor([[[[2.0, 2.0], [14.0, 2.0]]]]),
        top_unc=torch.zeros(1, 1, 2),
        c1=torch.zeros(1, 1, 4),
        c2=torch.zeros(1, 1, 4),
        top_score=torch.tensor([[[1.0, -0.5]]]),
    )
    return Prediction(**{**given, **said})


def losses(kind, truth, visible=True, **said):
    """Of a clip of two frames whose second shows the point at ``truth``."""
    clip = [one_point(), one_point(**said)]
    points = torch.tensor(truth).expand(1, 2, 1, 2)
    seen = torch.full((1, 2, 1), visible)
    return kind()(clip, points, seen, torch.zeros(1, 1, dtype=torch.long), (4, 16), 4)


def test_the_nearest_candidate_should_have_the_highest_score():
    near_second = losses(RankedPointLosses, [13.0, 3.0])["ranking_loss"]
    near_first = losses(RankedPointLosses, [5.0, 3.0])["ranking_loss"]
    assert float(near_second) == pytest.approx(1.5 + math.log(1 + math.exp(-1.5)), abs=1e-6)
    assert float(near_first) == pytest.approx(math.log(1 + math.exp(-1.5)), abs=1e-6)
    assert float(losses(RankedPointLosses, [13.0, 3.0], visible=False)["ranking_loss"]) == 0


def test_the_patch_is_doubted_from_three_patches_on():
    """And not the point, which may be somewhere else."""
    far, near = math.log(1 + math.exp(-2.0)), 2 + math.log(1 + math.exp(-2.0))

    def doubt(kind, x, **said):
        return float(losses(kind, [x, 2.0], **said)["uncertainty_loss"])

    assert doubt(RankedPointLosses, 6 + 11.9) == pytest.approx(near, abs=1e-6)
    assert doubt(RankedPointLosses, 6 + 12.1) == pytest.approx(far, abs=1e-6)
    elsewhere = dict(points=torch.tensor([[[60.0, 2.0]]]))
    assert doubt(RankedPointLosses, 8.0, **elsewhere) == pytest.approx(near, abs=1e-6)
    assert doubt(PointLosses, 8.0, **elsewhere) == pytest.approx(far, abs=1e-6)
    assert doubt(PointLosses, 6 + 8.1) == pytest.approx(far, abs=1e-6)
    offset = losses(RankedPointLosses, [6 + 11.0, 2.0])["offset_loss"]
    assert float(offset) == 8


def test_weights_are_the_published_ones():
    found = losses(RankedPointLosses, [13.0, 3.0])
    assert float(found["point_loss"]) == pytest.approx(3 * math.log(4), abs=1e-6)
    assert float(found["point_loss_local"]) == pytest.approx(3 * math.log(4), abs=1e-6)
    assert float(found["visibility_loss"]) == pytest.approx(math.log(2), abs=1e-6)
