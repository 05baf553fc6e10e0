"""The image tower of a CLIP as the backbone of a detector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vovtrack.errors import InputError
from vovtrack.models.clip.encoder import ClipEncoder, build_clip
from vovtrack.registry import MODELS

STAGES = 4


@MODELS.register_module()
class ClipTrunk(BaseModule):
    """The convolutions of a CLIP's ResNet, without its pooling: features that know names.

    A detector trains it on as any backbone; F-VLM (Kuo et al., ICLR 2023) keeps it frozen, as
    ``freeze=("backbone",)`` does. Images come normalised as the CLIP expects them (`CLIP_MEAN`,
    `CLIP_STD`).

    Args:
        model: Path of an open_clip model config (.json).
        out_indices: Features to return: 0 has stride 4, each further one twice as much, up to 3.
        norm_eval: Batch norms keep their statistics also in training.
        init_cfg: ``dict(type="Pretrained", checkpoint=FILE)`` starts from a weight file of that
            CLIP; None starts at random.

    Raises:
        InputError: The image tower is not a ResNet, or it has no such features.
    """

    def __init__(
        self,
        model: str,
        out_indices: Sequence[int] = (0, 1, 2),
        norm_eval: bool = False,
        init_cfg: dict[str, str] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.out_indices, self.norm_eval = tuple(out_indices), norm_eval
        if not set(self.out_indices) <= set(range(STAGES)):
            raise InputError(f"out_indices={self.out_indices}: expected numbers from 0 to 3.")
        self.tower = build_clip(model)[0].visual
        if not hasattr(self.tower, f"layer{STAGES}"):
            raise InputError(
                f"{model}: its image tower is not a ResNet; 'layers' of its 'vision_cfg' must be "
                f"a list of {STAGES} numbers."
            )
        self.tower.attnpool = nn.Identity()
        for stage in range(max(self.out_indices) + 1, STAGES):
            setattr(self.tower, f"layer{stage + 1}", nn.Identity())
        self._clip = ClipEncoder(model, init_cfg["checkpoint"]) if init_cfg else None

    def init_weights(self) -> None:
        """Take the weights of the CLIP, if it was named."""
        if self._clip is not None:
            with torch.random.fork_rng(devices=[]):  # reading weights is not a random step
                trained = self._clip.load()[0].visual.state_dict()
            self.tower.load_state_dict({key: trained[key] for key in self.tower.state_dict()})
        self._is_init = True

    def train(self, mode: bool = True) -> ClipTrunk:
        """Set training or evaluation, `norm_eval` permitting."""
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return features (N, C_i, H / s_i, W / s_i) of images (N, 3, H, W), one per index."""
        x, features = self.tower.stem(images), []
        for stage in range(max(self.out_indices) + 1):
            x = getattr(self.tower, f"layer{stage + 1}")(x)
            if stage in self.out_indices:
                features.append(x)
        return tuple(features)
