"""A frame of Track-On in the straightforward form: as its parts are defined, one after the other.

Written for comparison only. It computes with the parameters of our model.
"""

from __future__ import annotations

import copy
from types import MethodType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.point.models import PointState, Prediction, TrackOn
from vovtrack.point.models.blocks import Attention
from vovtrack.point.models.deformable import MultiScaleDeformableAttention
from vovtrack.point.models.memory import time_table
from vovtrack.point.models.patches import patch_centres
from vovtrack.point.models.pyramid import Pyramid, build_pyramid


class PlainAttention(nn.Module):
    """PyTorch's own multi-head attention, with the parameters of ours."""

    def __init__(self, ours: Attention) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(
            ours.out_proj.in_features, ours.num_heads, batch_first=True
        )
        self.mha.load_state_dict(ours.state_dict())

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, ignore: Tensor | None = None
    ) -> Tensor:
        """As ours."""
        q, k, v = (x.reshape(-1, *x.shape[-2:]) for x in (query, key, value))
        if query is key:  # it knows attention to oneself by this
            k = q
        if key is value:
            v = k
        mask = None if ignore is None else ignore.reshape(-1, ignore.shape[-1])
        found, _ = self.mha(q, k, v, key_padding_mask=mask, need_weights=False)
        return found.view_as(query)


def read_by_grids(
    self: MultiScaleDeformableAttention, query: Tensor, projected: Tensor, places: Tensor, shapes
) -> Tensor:
    """Deformable attention with one ``grid_sample`` per map, as mmcv does on a CPU."""
    grid = (self.num_heads, self.num_levels, self.num_points)
    batch, count, channels = query.shape
    offsets = self.sampling_offsets(query).view(batch, count, *grid, 2)
    weights = self.attention_weights(query).view(batch, count, self.num_heads, -1).softmax(-1)
    sizes = offsets.new_tensor([(width, height) for height, width in shapes])
    where = 2 * (places[:, :, None, None, None] + offsets / sizes[:, None]) - 1
    levels = projected.split([height * width for height, width in shapes], dim=1)
    samples = []
    for index, (level, shape) in enumerate(zip(levels, shapes, strict=True)):
        cells = level.unflatten(-1, (self.num_heads, -1)).permute(0, 2, 3, 1)
        cells = cells.reshape(batch * self.num_heads, -1, *shape)
        at = where[:, :, :, index].transpose(1, 2).flatten(0, 1)
        samples.append(F.grid_sample(cells, at, align_corners=False))
    stacked = torch.stack(samples, dim=-2).flatten(-2)
    shares = weights.transpose(1, 2).reshape(batch * self.num_heads, 1, count, -1)
    found = (stacked * shares).sum(-1).view(batch, channels, count).transpose(1, 2)
    return self.dropout(self.output_proj(found)) + query


def straightforward(model: TrackOn) -> TrackOn:
    """A copy of a model with plain attention."""
    plain = copy.deepcopy(model)
    for part in list(plain.modules()):
        if isinstance(part, MultiScaleDeformableAttention):
            part.read = MethodType(read_by_grids, part)
        for name, child in part.named_children():
            if isinstance(child, Attention):
                setattr(part, name, PlainAttention(child))
    return plain.eval()


def similarity(model: TrackOn, queries: Tensor, pyramid: Pyramid) -> Tensor:
    """Logits over all patches: each level by itself, brought to the finest, then mixed."""
    queries = F.normalize(queries, dim=-1)
    cells = [height * width for height, width in pyramid.shapes]
    levels = []
    for level, shape in zip(pyramid.tokens.split(cells, dim=1), pyramid.shapes, strict=True):
        cosine = queries @ F.normalize(level, dim=-1).transpose(1, 2)
        square = cosine.unflatten(-1, shape)
        levels.append(F.interpolate(square, pyramid.shapes[0], mode="bilinear")[0])
    return model.corr_layer(torch.stack(levels, dim=1)).flatten(1)[None]


def decode(model: TrackOn, queries: Tensor, tokens: Tensor, state: PointState) -> Tensor:
    """The query decoder: all slots of all queries through every layer."""
    decoder, memory = model.query_decoder, state.context
    table = time_table(decoder.time_embedding, memory.shape[2])
    valid = ~state.absent.all(dim=-1)[0]
    mask = F.pad(state.absent[:, valid], (0, 1), value=False)
    layers = zip(
        decoder.token_to_query, decoder.query_to_query, decoder.memory_to_query, strict=True
    )
    for to_tokens, to_queries, to_memory in layers:
        queries = to_tokens(queries, tokens, tokens)
        queries = to_queries(queries, queries, queries, ~state.started)
        sequence = torch.cat([memory[:, valid], queries[:, valid, None]], dim=2)
        timed = sequence + table
        found = to_memory(timed, timed, sequence, mask)
        memory, queries = memory.clone(), queries.clone()
        memory[:, valid], queries[:, valid] = found[:, :, :-1], found[:, :, -1]
    return queries


@torch.inference_mode()
def straightforward_step(model: TrackOn, state: PointState, tokens: Tensor) -> Prediction:
    """One frame, as :meth:`TrackOn.step`."""
    stride, width = model.stride, model.grid[1]
    decoded = model.feature_decoder(tokens)
    ignore = state.absent | state.hidden
    queries = model.sm_query_updater.read(state.initial, state.spatial, ignore)
    queries = model.projection1(decode(model, queries, tokens, state))
    c1 = similarity(model, queries, build_pyramid(decoded, model.grid))
    best = c1.topk(model.rerank_module.k).indices
    looked_at = model.rerank_module.prepare(decoded, build_pyramid(decoded, model.grid))
    queries, top_points, top_unc = model.rerank_module(queries, best, looked_at)
    final = model.projection2(queries)
    c2 = similarity(model, final, build_pyramid(decoded, model.grid))
    patch = patch_centres(c2.argmax(-1), width, stride)
    size = patch.new_tensor([model.input_size[1], model.input_size[0]])
    pyramid = build_pyramid(decoded, model.grid)
    offsets = model.offset_head(final, (patch / size).clamp(0, 1), pyramid)
    points = patch + offsets[-1]
    places = (points / size).clamp(0, 1)
    pyramid = build_pyramid(decoded, model.grid)
    visible, uncertain = model.visibility_head(queries, places, pyramid)
    own = build_pyramid(tokens, model.grid)
    written = model.sm_query_updater.write(state.initial, queries, places, own)
    state.push(queries, visible.sigmoid() >= model.test_settings.visibility_threshold, written)
    return Prediction(points, visible, uncertain, patch, offsets, top_points, top_unc, c1, c2)
