"""The box head as it is built without arguments."""

from __future__ import annotations

import torch

from detpro.models.bbox_head import DualBranchBBoxHead


def test_by_default_both_branches_have_the_released_shape():
    head = DualBranchBBoxHead()
    for branch in (head.text_branch, head.image_branch):
        assert [tuple(conv.conv.weight.shape) for conv in branch.convs] == [(256, 256, 3, 3)] * 4
        assert branch.fc.weight.shape == (1024, 256 * 7 * 7)
        assert branch.proj.weight.shape == (512, 1024)
    assert head.fc_reg.weight.shape == (4, 1024)


def test_a_head_of_one_branch_describes_images_with_it():
    head = DualBranchBBoxHead(
        dict(num_convs=1, conv_channels=8, hidden_dims=16, embed_dims=6),
        image_branch=False,
        roi_feat_size=3,
        in_channels=5,
    )
    pooled = torch.randn(4, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    found = head(pooled)
    assert found.image_embeds is None and found.bbox_pred.shape == (4, 4)
    torch.testing.assert_close(found.text_embeds.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(head.describe_image(pooled), found.text_embeds)
