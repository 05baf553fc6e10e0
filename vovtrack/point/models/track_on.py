"""Track-On: every point is a query that finds itself in each frame and remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from vovtrack.errors import InputError
from vovtrack.point.models.backbone import FrameEncoder
from vovtrack.point.models.blocks import in_chunks
from vovtrack.point.models.correlation import correlate, correlation_kernel
from vovtrack.point.models.decoder import QueryDecoder, TokenDecoder
from vovtrack.point.models.heads import OffsetHead, VisibilityHead
from vovtrack.point.models.keys import TRACK_ON_KEYS
from vovtrack.point.models.memory import SpatialMemory
from vovtrack.point.models.patches import patch_centres, sample_patches
from vovtrack.point.models.pyramid import SCALES, build_pyramid
from vovtrack.point.models.rerank import Rerank
from vovtrack.point.models.settings import TestSettings
from vovtrack.point.models.state import PointState, Prediction
from vovtrack.registry import MODELS

Part = Mapping[str, Any]


@MODELS.register_module()
class TrackOn(BaseModel):
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
        init_cfg: See mmengine.

    Raises:
        InputError: ``input_size`` is not a multiple of 8 patches.
    """

    entry_points = ("forward", "encode", "step")

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
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        height, width = input_size
        if height % (step := stride * SCALES[-1]) or width % step:
            raise InputError(f"input_size is {height}x{width}, expected multiples of {step}.")
        self.input_size = (height, width)
        self.stride = stride
        self.grid = (height // stride, width // stride)
        self.mask_ratio = mask_ratio
        self.test_settings = TestSettings(**(test_cfg or {}))
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
        self.losses = None if losses is None else MODELS.build(losses)
        self._register_load_state_dict_pre_hook(self._convert_keys)

    @property
    def slots(self) -> tuple[int, int]:
        """Past frames of the context and of the spatial memory that are in use."""
        trained = (self.query_decoder.slots, self.sm_query_updater.slots)
        return trained if self.training else self.test_settings.slots or trained

    def forward(
        self,
        inputs: Sequence[Tensor],
        data_samples: Sequence[BaseDataElement],
        mode: str = "loss",
    ) -> dict[str, Tensor]:
        """See :meth:`loss`, the only mode: points are followed by :meth:`start` and :meth:`step`.

        Raises:
            InputError: Another mode.
        """
        if mode != "loss":
            raise InputError(
                f"TrackOn has no mode '{mode}': a test follows points frame by frame, by the "
                "config's 'online' tracker."
            )
        return self.loss(inputs, data_samples)

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[BaseDataElement]
    ) -> dict[str, Tensor]:
        """Follow points through clips, and compare.

        Args:
            inputs: B clips (T, 3, H, W) of ``input_size``, RGB from 0 to 255.
            data_samples: Of each clip ``queries`` (N, 3) frame, x and y, ``gt_points`` (T, N, 2)
                and ``gt_visible`` (T, N). Of all clips as many points are taken as the clip with
                fewest has, the first ones.

        Returns:
            What ``losses`` gives.

        Raises:
            InputError: The config has no ``losses``.
        """
        if self.losses is None:
            raise InputError("This model has no 'losses' to learn from: name them in its config.")
        video = torch.stack(list(inputs))
        count = min(len(sample.queries) for sample in data_samples)
        queries = torch.stack([sample.queries[:count] for sample in data_samples])
        points = torch.stack([sample.gt_points[:, :count] for sample in data_samples])
        visible = torch.stack([sample.gt_visible[:, :count] for sample in data_samples])
        times = queries[..., 0].long()
        clip = self.follow(video, times, queries[..., 1:])
        return self.losses(clip, points, visible, times, self.input_size, self.stride)

    def follow(self, video: Tensor, times: Tensor, points: Tensor) -> list[Prediction]:
        """Follow points through whole clips at once, as in training.

        A query has its row from the first frame on. Before its own frame it is not looked at by
        others, and what is predicted of it means nothing.

        Args:
            video: (B, T, 3, H, W) of ``input_size``, RGB from 0 to 255.
            times: (B, N) int64 frame of each query.
            points: (B, N, 2) where it is there.

        Returns:
            Of each of the T frames.
        """
        batch, length = video.shape[:2]
        tokens = self.encode(video.flatten(0, 1))
        clips = torch.arange(batch, device=times.device)[:, None] * length
        initial = self.sample(tokens, points.flatten(0, 1), (clips + times).flatten())
        state = self.start(initial.unflatten(0, times.shape))
        predictions = []
        for number, frame in enumerate(tokens.unflatten(0, (batch, length)).unbind(1)):
            state.started = times <= number
            predictions.append(self.step(state, frame))
        return predictions

    def encode(self, frames: Tensor) -> Tensor:
        """The tokens of frames.

        Args:
            frames: (B, 3, H, W) RGB from 0 to 255, of ``input_size``.

        Returns:
            (B, P, C), patches row by row.

        Raises:
            InputError: They have another size.
        """
        if frames.shape[-2:] != self.input_size:
            height, width = frames.shape[-2:]
            expected = "x".join(map(str, self.input_size))
            raise InputError(
                f"Frames of {height}x{width} were given to a network of {expected} (height x "
                "width): the sizes in the pipeline and model.input_size must be the same."
            )
        return self.backbone(frames)

    def sample(self, maps: Tensor, points: Tensor, frame_index: Tensor) -> Tensor:
        """How points look, (N, C): what a query starts from.

        Args:
            maps: (B, P, C) tokens of frames.
            points: (N, 2).
            frame_index: (N,) int64, which of the maps.
        """
        return sample_patches(maps, points, frame_index, self.grid[1], self.stride)

    def start(self, initial: Tensor) -> PointState:
        """Begin to follow points with the next frame.

        Args:
            initial: (B, N, C) how they look, of B videos; there may be none yet.
        """
        return PointState.empty(initial, self.slots)

    def step(self, state: PointState, tokens: Tensor, logits: bool = True) -> Prediction:
        """Find the points in the next frame, and remember it.

        Args:
            state: Is changed.
            tokens: (B, P, C) of the frame.
            logits: Whether those over all patches are wanted, which grow with N times P.
        """
        chunk = None if torch.is_grad_enabled() else self.test_settings.query_chunk
        decoded = self.feature_decoder(tokens)
        pyramid = build_pyramid(decoded, self.grid)
        kernel = correlation_kernel(pyramid, self.corr_layer.weight)

        queries = self._decode(state, tokens, chunk)
        k = self.rerank_module.k
        c1 = correlate(queries, kernel) if logits else None
        best = _best(queries, kernel, k, chunk) if c1 is None else c1.topk(k).indices
        looked_at = self.rerank_module.prepare(decoded, pyramid)
        queries, top_points, top_unc = self.rerank_module(queries, best, looked_at, chunk)

        final = self.projection2(queries)
        c2 = correlate(final, kernel) if logits else None
        best = _best(final, kernel, 1, chunk) if c2 is None else c2.argmax(-1, keepdim=True)
        patch = patch_centres(best.squeeze(-1), self.grid[1], self.stride)
        offsets = self.offset_head(final, self._places(patch), pyramid, chunk)
        points = patch + offsets[-1]
        places = self._places(points)
        visible, uncertain = self.visibility_head(queries, places, pyramid, chunk)

        before_decoding = build_pyramid(tokens, self.grid)
        written = self.sm_query_updater.write(
            state.initial, queries, places, before_decoding, chunk
        ).to(state.initial.dtype)
        written = torch.where(state.started[..., None], written, state.initial)
        seen = visible.sigmoid() >= self.test_settings.visibility_threshold
        state.push(queries, written, seen)
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

    def _mask(self, ignore: Tensor) -> Tensor:
        """In training, ignore a random share of what could be looked at."""
        if not self.training:
            return ignore
        return ignore | (torch.rand(ignore.shape, device=ignore.device) < self.mask_ratio)

    def _convert_keys(self, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
        """Rename keys of the published checkpoint while loading."""
        TRACK_ON_KEYS.apply(state_dict, prefix)

    def _places(self, points: Tensor) -> Tensor:
        """Pixels to shares of the frame, from 0 to 1."""
        height, width = self.input_size
        return (points / points.new_tensor([width, height])).clamp(0, 1)


def _best(queries: Tensor, kernel: Tensor, k: int, chunk: int | None) -> Tensor:
    """The numbers (B, N, k) of the patches that are most similar to queries (B, N, C)."""
    return in_chunks(lambda rows: correlate(rows, kernel).topk(k).indices, chunk, queries)
