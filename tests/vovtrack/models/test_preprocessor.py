"""Images become what mmdet's preprocessor makes of them."""

from __future__ import annotations

import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures import DetDataSample

from vovtrack.models.preprocessor import ImagePreprocessor

NORMALISE = dict(mean=[100.0, 110.0, 120.0], std=[50.0, 60.0, 70.0], pad_size_divisor=32)


@pytest.mark.parametrize("bgr_to_rgb", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("whole", [False, True], ids=["images", "one tensor"])
def test_equals_mmdet(whole, training, bgr_to_rgb):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 40, 56), dtype=torch.uint8, generator=generator)
    expected, found = (
        kind(
            batch_augments=[dict(type="BatchFixedSizePad", size=(96, 96))],
            bgr_to_rgb=bgr_to_rgb,
            **NORMALISE,
        )(
            dict(
                inputs=images.clone() if whole else list(images),
                data_samples=[DetDataSample(metainfo=dict(img_shape=(40, 56))) for _ in images],
            ),
            training,
        )["inputs"]
        for kind in (DetDataPreprocessor, ImagePreprocessor)
    )
    assert torch.equal(found, expected)
    assert found.shape == ((2, 3, 96, 96) if training else (2, 3, 64, 64))
