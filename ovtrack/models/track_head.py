"""Heads that turn a region into an embedding of its appearance or class, and their training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from mmdet.models.tracking_heads import QuasiDenseEmbedHead
from torch import Tensor

from ovtrack.similarity import cosine_similarity
from vovtrack.errors import one_of
from vovtrack.registry import MODELS


@MODELS.register_module()
class PairEmbedHead(QuasiDenseEmbedHead):
    """Quasi-dense embedding head (Pang et al., CVPR 2021), trained by object identity.

    The layers are mmdet's. The losses differ: pairs are matched by instance id and the losses
    are closed forms over one similarity matrix per image pair.

    Args:
        softmax_temp: Temperature of ``loss_track``, which then gets similarities divided by it; -1
            for none, which are dot products.
        temp_metric: What a temperature divides: ``cosine`` in the original QDTrack and in mmdet,
            ``dot`` in vis4d.
        **kwargs: Layers of mmdet's ``QuasiDenseEmbedHead``, and the configs ``loss_track`` of the
            loss on these similarities and ``loss_track_aux`` of the loss on cosines.

    Raises:
        InputError: An unknown metric.
    """

    def __init__(
        self, softmax_temp: float = -1, temp_metric: Literal["cosine", "dot"] = "cosine", **kwargs
    ) -> None:
        one_of("temp_metric", temp_metric, ("cosine", "dot"))
        super().__init__(softmax_temp=softmax_temp, **kwargs)
        self.temp_metric = temp_metric

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

        Returns:
            ``loss_track`` and ``loss_track_aux``; for the log ``positive_pairs``, how many pairs of
            regions of the batch show the same object: without any there is nothing to learn.
        """
        pairs = list(zip(key_embeds, ref_embeds, targets, strict=True))
        # Half precision would round dot products of up to hundreds to steps of one.
        with torch.autocast(key_embeds[0].device.type, enabled=False):
            track = sum(self.loss_track(self._similarity(k, r), same) for k, r, same in pairs)
            aux = sum(self.loss_track_aux(cosine_similarity(k, r), same) for k, r, same in pairs)
        return dict(
            loss_track=track / len(pairs),
            loss_track_aux=aux / len(pairs),
            positive_pairs=torch.stack([same.sum() for same in targets]).sum().float(),
        )

    def _similarity(self, key: Tensor, ref: Tensor) -> Tensor:
        if self.softmax_temp <= 0:
            return key @ ref.T
        by_cosine = self.temp_metric == "cosine"
        return (cosine_similarity(key, ref) if by_cosine else key @ ref.T) / self.softmax_temp


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
