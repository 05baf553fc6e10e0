"""What a region's embedding is made of."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from detpro.features.encoder import RegionEncoder
from tests.fake_cuda import fake_cuda
from tests.places import CLIP
from tests.waits import Waits
from vovtrack.models.clip.encoder import ClipEncoder

SCALES = (1.0, 1.5)
BOXES = torch.tensor([[2.0, 3, 30, 25], [10, 5, 14, 44], [-4, 20, 60, 50]])


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    """A smooth random picture (3, 48, 64)."""
    noise = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    return (F.interpolate(noise, (48, 64), mode="bicubic")[0] * 255).clamp(0, 255).byte()


def test_raw_embeddings_of_the_crops_are_summed(clip, image):
    """Long ones count more: they are not normalised before the sum."""
    encoder = RegionEncoder(clip, SCALES)
    model, _ = clip.load()
    inputs = clip.preprocess(encoder.crops(image, BOXES))
    with torch.no_grad():
        raw = model.encode_image(inputs).unflatten(0, (len(SCALES), len(BOXES)))
    (found,) = encoder.encode_images([image], [BOXES])
    torch.testing.assert_close(found, F.normalize(raw.sum(dim=0), dim=1))
    alike = F.normalize(F.normalize(raw, dim=2).sum(dim=0), dim=1)
    assert (found - alike).abs().max() > 1e-3


def test_images_of_a_batch_do_not_mix(clip, image):
    encoder = RegionEncoder(clip, SCALES)
    pair = encoder.encode_images([image, image.flip(2)], [BOXES, BOXES[:1]])
    alone = encoder.encode_images([image.flip(2)], [BOXES[:1]])
    assert [len(rows) for rows in pair] == [3, 1]
    torch.testing.assert_close(pair[1], alone[0])


def test_on_a_gpu(clip, image):
    """Images may come from the CPU; boxes may be anywhere; what is found stays on the GPU."""
    (expected,) = RegionEncoder(clip, SCALES).encode_images([image], [BOXES])
    encoder = RegionEncoder(ClipEncoder(**CLIP), SCALES)
    with fake_cuda() as gpu:
        encoder.clip.to(gpu).load()
        encoder.clip.preprocess.to(gpu)
        for picture, boxes, reads in ((image, BOXES, 0), (image.to(gpu), BOXES.to(gpu), 1)):
            with Waits() as waits:
                (found,) = encoder.encode_images([picture], [boxes])
            # The CPU plans crops by their boxes: on the GPU these cost it one wait.
            assert found.device == gpu and len(waits.found) == reads
            torch.testing.assert_close(found.cpu(), expected)


def test_names_on_a_gpu_cost_one_wait():
    names = ["solid red star", "ring"]
    encoder = ClipEncoder(**CLIP, batch_size=8, cache_dir=None)
    expected = encoder.encode(names)
    there = ClipEncoder(**CLIP, batch_size=8, cache_dir=None)
    with fake_cuda() as gpu:
        there.to(gpu).load()
        with Waits() as waits:
            found = there.encode(names)
        assert len(waits.found) == 1
    torch.testing.assert_close(found, expected)
