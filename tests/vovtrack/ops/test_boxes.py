"""Functions of boxes against their plain definitions."""

from __future__ import annotations

import numpy as np
import torch
from torchvision.ops import box_iou

from vovtrack.ops.boxes import drop_distractors, pairwise_iou


def test_drop_distractors_equals_the_loop():
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(50, 2, generator=generator) * 60
    bboxes = torch.cat([corners, corners + 20], dim=1)
    labels = torch.randint(0, 2, (50,), generator=generator)
    ious = box_iou(bboxes, bboxes)
    for use_labels in (False, True):
        expected = [
            not any(
                ious[j, i] > 0.3 and (not use_labels or labels[i] == labels[j]) for j in range(i)
            )
            for i in range(50)
        ]
        kept = drop_distractors(bboxes.numpy(), 0.3, labels.numpy() if use_labels else None)
        assert kept.tolist() == expected
        assert 0 < sum(expected) < 50


def test_pairwise_iou_equals_torchvision_and_survives_boxes_without_area():
    generator = torch.Generator().manual_seed(2)
    corners = torch.rand(2, 20, 2, generator=generator) * 40
    a, b = (torch.cat([c, c + 5 + torch.rand(20, 2, generator=generator) * 20], 1) for c in corners)
    np.testing.assert_allclose(pairwise_iou(a.numpy(), b.numpy()), box_iou(a, b), atol=1e-6)
    assert pairwise_iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]
