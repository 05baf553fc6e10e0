"""Every module of the released model alone, against what the original gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.point.trackon.released import released
from tests.seeded import normal
from vovtrack.point.models.correlation import correlate, correlation_kernel
from vovtrack.point.models.pyramid import build_pyramid

NAME = "modules.npz"


class Modules:
    """The model, and the inputs that the recordings describe."""

    def __init__(self, recorded) -> None:
        self.meta = recorded.meta(NAME)
        self.arrays = recorded.arrays(NAME)
        self.salt = recorded.salt
        self.model = released(recorded, self.meta["size"])
        patches, rows = int(np.prod(self.model.grid)), self.meta["N"]
        self.tokens = self.draw((1, patches, 256), "f") + 2 * self.draw((1, 1, 256), "f0")
        self.decoded = self.draw((1, patches, 256), "h") + self.draw((1, 1, 256), "h0")
        self.queries = self.draw((1, rows, 256), "q") + self.draw((1, 1, 256), "q0")
        self.initial = 2 * self.draw((1, rows, 256), "q_init")
        self.memory = self.draw((1, rows, self.meta["memory"], 256), "memory")
        self.pyramid = build_pyramid(self.decoded, self.model.grid)
        self.places = self.model._places(self.tensor("points"))

    def draw(self, shape, *key):
        return normal(shape, self.salt, "modules", *key)

    def tensor(self, name):
        return torch.from_numpy(self.arrays[name])

    def check(self, name, found):
        found = found.detach().numpy()
        wanted = self.arrays[name]
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def modules(recorded):
    with torch.no_grad():
        yield Modules(recorded)


def test_token_decoder(modules):
    modules.check("token_decoder", modules.model.feature_decoder(modules.tokens)[0, ::5, ::4])


def test_pyramids(modules):
    first = modules.decoded.shape[1]
    shared = modules.pyramid.tokens[0, first:, ::16]
    modules.check("deform_pyramid_shared", shared)
    rerank = modules.model.rerank_module.prepare(modules.decoded, modules.pyramid)
    modules.check("deform_pyramid_rerank", rerank.tokens[0, first:, ::16])
    assert not torch.allclose(rerank.tokens[0, first:, ::16], shared, atol=1e-2)


def test_deformable_attention(modules):
    layer = modules.model.offset_head.local_transformer[0]
    pyramid = modules.pyramid
    arguments = (modules.queries, pyramid.tokens, modules.places, pyramid.shapes)
    modules.check("msda_attention", layer.mha(*arguments)[0])
    modules.check("msda_block", layer(*arguments)[0])
    modules.check("msda_block", layer(*arguments, 4)[0])


def test_attention_layers(modules):
    decoder, q = modules.model.query_decoder, modules.queries
    found = decoder.token_to_query[0](q, modules.tokens, modules.tokens)
    modules.check("mha_block_cross", found[0])
    found = decoder.query_to_query[0](q, q, q, ~modules.tensor("started"))
    modules.check("mha_block_self_masked", found[0])


def test_correlation(modules):
    kernel = correlation_kernel(modules.pyramid, modules.model.corr_layer.weight)
    modules.check("correlation", correlate(modules.queries, kernel)[0])


@pytest.mark.parametrize("chunk", [None, 2])
def test_reranking(modules, chunk):
    rerank = modules.model.rerank_module
    order = torch.from_numpy(modules.arrays["correlation"]).topk(rerank.k + 1)
    margin = order.values[:, -2] - order.values[:, -1]
    np.testing.assert_allclose(margin, modules.arrays["margin_topk"], atol=1e-6)
    pyramid = rerank.prepare(modules.decoded, modules.pyramid)
    best = order.indices[None, :, :-1]
    queries, points, uncertain = rerank(modules.queries, best, pyramid, chunk)
    modules.check("rerank_points", points[0])
    modules.check("rerank_unc", uncertain[0])
    modules.check("rerank_q", queries[0])


def test_reranking_of_a_proper_pyramid_differs(modules):
    rerank = modules.model.rerank_module
    best = torch.from_numpy(modules.arrays["correlation"]).topk(rerank.k).indices[None]
    queries, _, _ = rerank(modules.queries, best, modules.pyramid)
    assert np.abs(queries[0].numpy() - modules.arrays["rerank_q"]).max() > 1e-2


def test_heads(modules):
    model, pyramid = modules.model, modules.pyramid
    offsets = model.offset_head(modules.queries, modules.places, pyramid)
    modules.check("offsets", offsets[:, 0])
    visible, uncertain = model.visibility_head(modules.queries, modules.places, pyramid)
    modules.check("visibility", visible[0])
    modules.check("uncertainty", uncertain[0])


def test_spatial_memory(modules):
    memory = modules.model.sm_query_updater
    ignore = modules.tensor("past_mask") | modules.tensor("past_occluded")
    for chunk in (None, 4):
        read = memory.read(modules.initial, modules.memory, ignore, chunk)
        modules.check("spatial_read", read[0])
    nothing = torch.ones_like(ignore)
    modules.check("spatial_read_t0", memory.read(modules.initial, modules.memory, nothing)[0])
    pyramid = build_pyramid(modules.tokens, modules.model.grid)
    written = memory.write(modules.initial, modules.queries, modules.places, pyramid)
    rows = modules.meta["not_queried_write_rows"]
    written[:, rows] = modules.initial[:, rows]
    modules.check("spatial_write", written[0])


def test_context_step(modules):
    from vovtrack.point.models.decoder import remember
    from vovtrack.point.models.memory import time_table

    decoder = modules.model.query_decoder
    sequence = torch.cat([modules.memory, modules.queries[:, :, None]], dim=2)
    table = time_table(decoder.time_embedding, modules.meta["memory"])
    arguments = (sequence, modules.tensor("past_mask"), decoder.memory_to_query[0], table)
    found = remember(*arguments, newest=False)[0]
    modules.check("context_q", found[:, -1])
    modules.check("context_memory", found[:, :-1, ::8])
    modules.check("context_q", remember(*arguments, newest=True)[0, :, 0])


@pytest.mark.parametrize("chunk", [None, 4])
def test_query_decoder(modules, chunk):
    arguments = (modules.tensor("past_mask"), ~modules.tensor("started"), chunk)
    found = modules.model.query_decoder(modules.queries, modules.tokens, modules.memory, *arguments)
    modules.check("query_decoder", found[0])


def test_longer_memories(modules):
    slots = modules.meta["memory_extended"]
    memory = modules.draw((1, modules.meta["N"], slots, 256), "memory2")
    absent, hidden = (modules.tensor(f"past_{name}_ext") for name in ("mask", "occluded"))
    read = modules.model.sm_query_updater.read(modules.initial, memory, absent | hidden)
    modules.check("spatial_read_ext", read[0])
    alone = ~modules.tensor("started")
    found = modules.model.query_decoder(modules.queries, modules.tokens, memory, absent, alone)
    modules.check("query_decoder_ext", found[0])


def test_sampling(modules):
    queries = modules.tensor("sample_queries")
    height, width = modules.model.grid
    maps = modules.draw((2, 256, height, width), "map").flatten(2).transpose(1, 2)
    modules.check("sampled", modules.model.sample(maps, queries[:, 1:], queries[:, 0].long()))
