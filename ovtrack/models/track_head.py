"""Heads that turn a region into an embedding of its appearance or class, and their training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.tracking_heads import QuasiDenseEmbedHead
from torch import Tensor

from ovtrack.similarity import cosine_similarity
from vovtrack.registry import MODELS


@MODELS.register_module()
class PairEmbedHead(QuasiDenseEmbedHead):
    """Quasi-dense embedding head (Pang et al., CVPR 2021), trained by object identity.

    The layers are mmdet's. The losses differ: pairs are matched by instance id and the losses
    are closed forms over one similarity matrix per image pair.

    Args:
        loss_track: Config of the loss on dot products.
        loss_track_aux: Config of the loss on cosines.
        **kwargs: Layers of mmdet's ``QuasiDenseEmbedHead``.
    """

    def pair_loss(
        self,
        key_embeds: Sequence[Tensor],
        ref_embeds: Sequence[Tensor],
        targets: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """Losses of a batch of B image pairs, averaged over pairs.

        Args:
            key_embeds: B tensors (K_b, D), regions of key images that show an object.
            ref_embeds: B tensors (R_b, D), regions of reference images.
            targets: B tensors (K_b, R_b), True where both show the same object.
        """
        pairs = list(zip(key_embeds, ref_embeds, targets, strict=True))
        # Half precision would round dot products of up to hundreds to steps of one.
        with torch.autocast(key_embeds[0].device.type, enabled=False):
            track = sum(self.loss_track(key @ ref.T, same) for key, ref, same in pairs)
            aux = sum(
                self.loss_track_aux(cosine_similarity(key, ref), same) for key, ref, same in pairs
            )
        return dict(loss_track=track / len(pairs), loss_track_aux=aux / len(pairs))


@MODELS.register_module()
class ClassExemplarHead(QuasiDenseEmbedHead):
    """Embeds regions so that those of one class are near.

    A tracker with ``match_metric="cosine"`` links only regions whose class embeddings agree,
    without asking for their names (TETer, Li et al., ECCV 2022, section 3.3). The layers are
    mmdet's. No published config of OVTrack or VOVTrack has this head.

    Args:
        loss_class: Config of the loss on regions with their classes.
        **kwargs: Layers of mmdet's ``QuasiDenseEmbedHead``.
    """

    def __init__(self, loss_class: dict, **kwargs) -> None:
        super().__init__(loss_track=loss_class, loss_track_aux=None, **kwargs)

    def class_loss(self, embeds: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss of the regions of a batch that show objects.

        Args:
            embeds: (N, D).
            labels: (N,).
        """
        with torch.autocast(embeds.device.type, enabled=False):
            return dict(loss_cem=self.loss_track(embeds.float(), labels))
