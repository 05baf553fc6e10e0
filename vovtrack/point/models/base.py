"""What all models share that follow points frame by frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from vovtrack.errors import InputError
from vovtrack.models.online import OnlineModel
from vovtrack.point.models.keys import TRACK_ON_KEYS
from vovtrack.point.models.patches import sample_patches
from vovtrack.point.models.pyramid import SCALES
from vovtrack.point.models.settings import TestSettings
from vovtrack.point.models.state import PointState, Prediction
from vovtrack.registry import MODELS

Part = Mapping[str, Any]


class PointModel(OnlineModel):
    """Follows points online: what a model is to :class:`PointFollower` and to training.

    All points are (x, y) in pixels of the network's input.

    Args:
        input_size: (H, W) of the frames that the network takes, multiples of 8 patches.
        stride: Side of a patch in pixels.
        losses: Config of what is learned from, see :meth:`loss`; None for a model that is not
            trained.
        mask_ratio: Share of memory slots that are ignored at random in training.
        test_cfg: Arguments of :class:`TestSettings`.
        init_cfg: See mmengine.

    Raises:
        InputError: ``input_size`` is not a multiple of 8 patches.
    """

    follows = "points"
    entry_points = ("forward", "encode", "step")

    def __init__(
        self,
        input_size: tuple[int, int],
        stride: int,
        losses: Part | None,
        mask_ratio: float,
        test_cfg: Part | None,
        init_cfg: dict | None,
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
        self.losses = None if losses is None else MODELS.build(losses)
        self._register_load_state_dict_pre_hook(self._convert_keys)

    @property
    @abstractmethod
    def slots(self) -> tuple[int, int]:
        """Past frames of the context and of the spatial memory that are in use."""

    @abstractmethod
    def tokens(self, frames: Tensor) -> Tensor:
        """See :meth:`encode`."""

    @abstractmethod
    def step(self, state: PointState, tokens: Tensor, logits: bool = True) -> Prediction:
        """Find the points in the next frame, and remember it.

        Args:
            state: Is changed.
            tokens: (B, S, C) of the frame.
            logits: Whether those over all patches are wanted, which grow with N times P.
        """

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
            (B, S, C): those of the P patches, row by row, and what else the model reads.

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
        return self.tokens(frames)

    def sample(self, maps: Tensor, points: Tensor, frame_index: Tensor) -> Tensor:
        """How points look, (N, C): what a query starts from.

        Args:
            maps: (B, S, C) tokens of frames, see :meth:`encode`.
            points: (N, 2).
            frame_index: (N,) int64, which of the maps.
        """
        height, width = self.grid
        patches = maps[:, : height * width]
        return sample_patches(patches, points, frame_index, width, self.stride)

    def start(self, initial: Tensor) -> PointState:
        """Begin to follow points with the next frame.

        Args:
            initial: (B, N, C) how they look, of B videos; there may be none yet.
        """
        return PointState.empty(initial, self.slots)

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
