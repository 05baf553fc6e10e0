"""Track-On: every point is a query that finds itself in each frame and remembers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vovtrack.point.models.backbone import FrameEncoder
from vovtrack.point.models.base import Part, PointModel
from vovtrack.point.models.correlation import correlation_kernel, find_patches
from vovtrack.point.models.decoder import QueryDecoder, TokenDecoder
from vovtrack.point.models.heads import OffsetHead, VisibilityHead
from vovtrack.point.models.matcher import start_as_matcher
from vovtrack.point.models.memory import SpatialMemory
from vovtrack.point.models.patches import patch_centres
from vovtrack.point.models.pyramid import SCALES, build_pyramid
from vovtrack.point.models.rerank import Rerank
from vovtrack.point.models.state import PointState, Prediction
from vovtrack.registry import MODELS


@MODELS.register_module()
class TrackOn(PointModel):
    """Follows points online, frame by frame.

    Source: Track-On (Aydemir et al., ICLR 2025, arXiv 2501.18487). The parts carry the names of
    the published checkpoint, and with its config give its numbers.

    All points are (x, y) in pixels of the network's input.

    Args:
        backbone: Config of the image network, see :class:`FrameEncoder`; its ``embed_dims`` are the
            channels of its maps.
        input_size: (H, W) of the frames that the network takes, multiples of 8 patches.
        stride: Side of a patch in pixels.
        embed_dims: Channels of tokens and queries.
        layer: ``num_heads`` and ``dropout`` of all layers but those of the image network.
        query_decoder: Further arguments of :class:`QueryDecoder`.
        spatial_memory: Further arguments of :class:`SpatialMemory`.
        rerank: Further arguments of :class:`Rerank`.
        offset_head: Further arguments of :class:`OffsetHead`.
        losses: Config of what is learned from, see :meth:`loss`; None for a model that is not
            trained.
        mask_ratio: Share of memory slots, and of the other queries, that are ignored at random in
            training.
        test_cfg: Arguments of :class:`TestSettings`.
        matcher: Start as a plain matcher of patches, see :func:`start_as_matcher`; for a model that
            is trained from scratch.
        init_cfg: See mmengine.

    Raises:
        InputError: ``input_size`` is not a multiple of 8 patches.
    """

    def __init__(
        self,
        backbone: Part,
        input_size: tuple[int, int] = (384, 512),
        stride: int = 4,
        embed_dims: int = 256,
        layer: Part | None = None,
        query_decoder: Part | None = None,
        spatial_memory: Part | None = None,
        rerank: Part | None = None,
        offset_head: Part | None = None,
        losses: Part | None = None,
        mask_ratio: float = 0.1,
        test_cfg: Part | None = None,
        matcher: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(input_size, stride, losses, mask_ratio, test_cfg, init_cfg)
        shape = dict(embed_dims=embed_dims, **(layer or {}))
        encoder = MODELS.build(backbone)
        self.backbone = FrameEncoder(encoder, encoder.embed_dims, embed_dims, self.grid)
        self.sm_query_updater = SpatialMemory(**shape, **(spatial_memory or {}))
        self.query_decoder = QueryDecoder(**shape, **(query_decoder or {}))
        self.feature_decoder = TokenDecoder(embed_dims)
        self.rerank_module = Rerank(**shape, stride=stride, **(rerank or {}))
        self.offset_head = OffsetHead(**shape, **(offset_head or {}))
        self.visibility_head = VisibilityHead(**shape)
        self.projection1 = nn.Linear(embed_dims, embed_dims)
        self.projection2 = nn.Linear(embed_dims, embed_dims)
        self.corr_layer = nn.Conv2d(len(SCALES), 1, 1, bias=False)
        if matcher:
            start_as_matcher(self)

    @property
    def slots(self) -> tuple[int, int]:
        """Past frames of the context and of the spatial memory that are in use."""
        trained = (self.query_decoder.slots, self.sm_query_updater.slots)
        return trained if self.training else self.test_settings.slots or trained

    def tokens(self, frames: Tensor) -> Tensor:
        """The tokens (B, P, C) of frames (B, 3, H, W)."""
        return self.backbone(frames)

    def step(self, state: PointState, tokens: Tensor, logits: bool = True) -> Prediction:
        """See :meth:`PointModel.step`; tokens are (B, P, C)."""
        chunk = None if torch.is_grad_enabled() else self.test_settings.chunk(tokens.device)
        k = self.rerank_module.k
        rows = None if chunk is None else chunk * k
        decoded = self.feature_decoder(tokens)
        pyramid = build_pyramid(decoded, self.grid)
        kernel = correlation_kernel(pyramid, self.corr_layer.weight)

        queries = self._decode(state, tokens, chunk)
        best, c1 = find_patches(queries, kernel, k, logits, chunk)
        looked_at = self.rerank_module.prepare(decoded, pyramid)
        queries, top_points, top_unc = self.rerank_module(queries, best, looked_at, chunk)

        final = self.projection2(queries)
        best, c2 = find_patches(final, kernel, 1, logits, chunk)
        patch = patch_centres(best.squeeze(-1), self.grid[1], self.stride)
        offsets = self.offset_head(final, self._places(patch), pyramid, rows)
        points = patch + offsets[-1]
        places = self._places(points)
        visible, uncertain = self.visibility_head(queries, places, pyramid, rows)

        before_decoding = build_pyramid(tokens, self.grid)
        written = self.sm_query_updater.write(
            state.initial, queries, places, before_decoding, rows
        ).to(state.initial.dtype)
        written = torch.where(state.started[..., None], written, state.initial)
        seen = visible.sigmoid() >= self.test_settings.visibility_threshold
        state.push(queries, seen, written)
        return Prediction(
            points, visible, uncertain, patch, offsets, top_points, top_unc.float(), c1, c2
        )

    def _decode(self, state: PointState, tokens: Tensor, chunk: int | None) -> Tensor:
        """The queries (B, N, C) of this frame, as they look for themselves in it."""
        context, spatial = state.context.shape[2], state.spatial.shape[2]
        unseen = (state.absent | state.hidden)[:, :, -spatial:]
        queries = self.sm_query_updater.read(
            state.initial, state.spatial, self._mask(unseen), chunk
        )
        alone = self._mask(~state.started)
        queries = self.query_decoder(
            queries,
            tokens,
            state.context,
            self._mask(state.absent[:, :, -context:]),
            # A video in which no query may be looked at has none that matters.
            alone & ~alone.all(dim=1, keepdim=True),
            chunk,
        )
        return self.projection1(queries)
