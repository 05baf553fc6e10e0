"""Box head of the open-vocabulary detector: two region branches and class-agnostic boxes."""

from __future__ import annotations

from typing import NamedTuple

from mmdet.models.roi_heads.bbox_heads import BBoxHead
from torch import Tensor

from detpro.models.region_branch import RegionBranch
from vovtrack.registry import MODELS


class RegionOutputs(NamedTuple):
    """What the box head says about N regions."""

    bbox_pred: Tensor
    """(N, 4) class-agnostic box deltas."""
    text_embeds: Tensor
    """(N, D) unit embeddings of the text branch."""
    image_embeds: Tensor | None
    """(N, D) unit embeddings of the image branch, None without one."""


@MODELS.register_module()
class DualBranchBBoxHead(BBoxHead):
    """Describes regions twice, for text and for image embeddings; boxes come from the text branch.

    There is no classifier inside: classes are compared outside, by cosine with a text bank.

    Args:
        branch: Arguments of both :class:`RegionBranch`.
        image_branch: Whether the second branch exists.
        roi_feat_size: Side of the pooled regions.
        in_channels: Channels of the pooled regions.
        **kwargs: ``bbox_coder``, ``loss_bbox`` and the like, of mmdet's ``BBoxHead``.
    """

    def __init__(
        self,
        branch: dict | None = None,
        image_branch: bool = True,
        roi_feat_size: int = 7,
        in_channels: int = 256,
        **kwargs,
    ) -> None:
        branch = dict(branch or {}, in_channels=in_channels, roi_feat_size=roi_feat_size)
        text_branch = RegionBranch(**branch)
        super().__init__(
            with_cls=False,
            with_avg_pool=True,
            reg_class_agnostic=True,
            roi_feat_size=roi_feat_size,
            in_channels=text_branch.fc.out_features,
            **kwargs,
        )
        del self.avg_pool
        self.text_branch = text_branch
        self.image_branch = RegionBranch(**branch) if image_branch else None

    def forward(self, roi_feats: Tensor) -> RegionOutputs:
        """Describe pooled regions (N, C, S, S); each branch reads the same pooled features."""
        bbox_pred, text_embeds = self.describe_text(roi_feats)
        image_embeds = self.image_branch(roi_feats)[1] if self.image_branch else None
        return RegionOutputs(bbox_pred, text_embeds, image_embeds)

    def describe_text(self, roi_feats: Tensor) -> tuple[Tensor, Tensor]:
        """Box deltas (N, 4) and unit embeddings (N, D) of the text branch alone."""
        hidden, embeds = self.text_branch(roi_feats)
        return self.fc_reg(hidden).float(), embeds

    def describe_image(self, roi_feats: Tensor) -> Tensor:
        """Unit embeddings (N, D) of the branch that imitates CLIP: the text branch if alone."""
        return (self.image_branch or self.text_branch)(roi_feats)[1]
