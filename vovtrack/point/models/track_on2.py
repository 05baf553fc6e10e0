"""Track-On2: Track-On with one memory, and maps of four scales."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from vovtrack.errors import InputError
from vovtrack.point.models.backbone import PyramidEncoder
from vovtrack.point.models.base import Part, PointModel
from vovtrack.point.models.blocks import AttentionLayer, in_chunks
from vovtrack.point.models.correlation import correlation_kernel, find_patches
from vovtrack.point.models.decoder import attend_past, decode
from vovtrack.point.models.fpn import FeaturePyramid
from vovtrack.point.models.heads import PredictionHead
from vovtrack.point.models.memory import time_table
from vovtrack.point.models.patches import patch_centres
from vovtrack.point.models.pyramid import SCALES, Pyramid, pyramid_shapes
from vovtrack.point.models.rerank import RerankingHead
from vovtrack.point.models.state import PointState, Prediction
from vovtrack.registry import MODELS


@MODELS.register_module()
class TrackOn2(PointModel):
    """Follows points online, frame by frame.

    Source: Track-On2 (Aydemir et al., arXiv 2509.19115); Track-On-R (arXiv 2603.12217) is the same
    network. The parts carry the names of the published checkpoints.

    Unlike :class:`TrackOn`, a point is compared with the image network's own four maps, and looks
    at one that is fused of them; what it was decoded to is its only memory, whether it was visible
    or not, and is looked at from the first frame on, where it is empty.

    Args:
        backbone: Config of the image network, see :class:`PyramidEncoder`; its ``embed_dims`` are
            the channels of its maps.
        input_size: (H, W) of the frames that the network takes, multiples of 8 patches.
        stride: Side of a patch in pixels.
        embed_dims: Channels of tokens and queries.
        layer: ``num_heads`` and ``dropout`` of all layers but those of the image network.
        decoder_layers: Layers in which a query looks at the frame, the others and its past.
        slots: Past frames in training.
        reranking: Further arguments of :class:`RerankingHead`.
        prediction: Further arguments of :class:`PredictionHead`.
        losses: Config of what is learned from, see :meth:`loss`; None for a model that is not
            trained.
        mask_ratio: Share of memory slots that each decoder layer ignores at random in training.
        test_cfg: Arguments of :class:`TestSettings`.
        init_cfg: See mmengine.

    Raises:
        InputError: ``input_size`` is not a multiple of 8 patches, or ``test_cfg`` has the lengths
            of two memories.
    """

    def __init__(
        self,
        backbone: Part,
        input_size: tuple[int, int] = (384, 512),
        stride: int = 4,
        embed_dims: int = 256,
        layer: Part | None = None,
        decoder_layers: int = 3,
        slots: int = 24,
        reranking: Part | None = None,
        prediction: Part | None = None,
        losses: Part | None = None,
        mask_ratio: float = 0.1,
        test_cfg: Part | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(input_size, stride, losses, mask_ratio, test_cfg, init_cfg)
        if not isinstance(memory := self.test_settings.memory, int | None):
            raise InputError(f"test_cfg.memory is {memory}, but Track-On2 has one memory.")
        self.trained_slots = slots
        shape = {"num_heads": 4, "dropout": 0.1, **(layer or {}), "embed_dims": embed_dims}

        def attentions() -> nn.ModuleList:
            return nn.ModuleList(AttentionLayer(**shape) for _ in range(decoder_layers))

        encoder = MODELS.build(backbone)
        self.backbone = PyramidEncoder(encoder, encoder.embed_dims, embed_dims, self.grid)
        self.fpn = FeaturePyramid(embed_dims)
        self.reranking_head = RerankingHead(**shape, stride=stride, **(reranking or {}))
        self.prediction_head = PredictionHead(**shape, **(prediction or {}))
        self.feature_attention = attentions()
        self.query_attention = attentions()
        self.memory_attention = attentions()
        self.projection1 = nn.Linear(embed_dims, embed_dims)
        self.projection2 = nn.Linear(embed_dims, embed_dims)
        self.ms_corr_proj = nn.Conv2d(len(SCALES), 1, 1)
        self.t_embedding = nn.Parameter(torch.zeros(1, slots + 1, embed_dims))
        nn.init.trunc_normal_(self.t_embedding, std=0.02)

    @property
    def slots(self) -> tuple[int, int]:
        """Past frames that are in use; there is no spatial memory."""
        in_use = None if self.training else self.test_settings.slots
        return (in_use[0] if in_use else self.trained_slots), 0

    def tokens(self, frames: Tensor) -> Tensor:
        """The tokens of frames (B, 3, H, W): of the fused map, then of the four maps."""
        pyramid = self.backbone(frames)
        return torch.cat([self.fpn(pyramid), pyramid.tokens], dim=1)

    def step(self, state: PointState, tokens: Tensor, logits: bool = True) -> Prediction:
        """See :meth:`PointModel.step`; tokens are those of :meth:`tokens`."""
        chunk = None if torch.is_grad_enabled() else self.test_settings.chunk(tokens.device)
        k = self.reranking_head.k
        rows = None if chunk is None else chunk * k
        height, width = self.grid
        fused, own = tokens.split([height * width, tokens.shape[1] - height * width], dim=1)
        pyramid = Pyramid(own, pyramid_shapes(self.grid))
        kernel = correlation_kernel(pyramid, self.ms_corr_proj.weight)
        bias = self.ms_corr_proj.bias
        find = partial(find_patches, kernel=kernel, logits=logits, chunk=chunk, bias=bias)

        queries = self._decode(state, fused, chunk)
        best, c1 = find(queries, k=k)
        queries, *top = self.reranking_head(queries, best, pyramid, chunk)
        queries = self.projection2(queries)
        best, c2 = find(queries, k=1)
        patch = patch_centres(best.squeeze(-1), width, self.stride)
        places = self._places(patch)
        offsets, visible, uncertain = self.prediction_head(queries, places, pyramid, rows)
        state.push(queries, visible.sigmoid() >= self.test_settings.visibility_threshold)
        top_points, top_unc, top_score = top
        return Prediction(
            points=patch + offsets[-1],
            visible_logit=visible,
            uncertainty_logit=uncertain,
            patch=patch,
            offsets=offsets,
            top_points=top_points,
            top_unc=top_unc.float(),
            c1=c1,
            c2=c2,
            top_score=top_score.float(),
        )

    def _decode(self, state: PointState, fused: Tensor, chunk: int | None) -> Tensor:
        """The queries (B, N, C) of this frame, as they look for themselves in it."""
        table = time_table(self.t_embedding, state.context.shape[2])

        def look_back(sequence: Tensor, layer: nn.Module, newest: bool) -> Tensor:
            step = partial(attend_past, layer=layer, table=table, newest=newest)
            return in_chunks(step, chunk, sequence, self._mask(state.absent))

        layers = zip(
            self.feature_attention, self.query_attention, self.memory_attention, strict=True
        )
        queries = decode(layers, state.initial, fused, state.context, state.alone(), look_back)
        return self.projection1(queries)
