"""What a CLIP's images go through is known from its config or the tag of its weights."""

from __future__ import annotations

import json

import pytest
import torch

from tests.places import CLIP
from vovtrack.errors import InputError
from vovtrack.models.clip.encoder import CLIP_MEAN, CLIP_STD, ClipEncoder
from vovtrack.models.clip.preprocess import ImagePreprocess

HALF = torch.full((3, 1, 1), 0.5)
LAYOUT = dict(embed_dim=4, vision_cfg=dict(image_size=16), text_cfg=dict(width=8))


def test_defaults_are_those_of_the_first_clip(tmp_path):
    """A config without a word on images, and OpenAI's own weights."""
    (tmp_path / "clip.json").write_text(json.dumps(LAYOUT))
    for encoder, side in (
        (ClipEncoder(str(tmp_path / "clip.json"), "w.pt"), 16),
        (ClipEncoder(), 224),
    ):
        view = encoder.preprocess
        assert (view.side, view.resize_mode, view.interpolation) == (side, "shortest", "bicubic")
        assert torch.equal(view.mean.flatten(), torch.tensor(CLIP_MEAN))
        assert torch.equal(view.std.flatten(), torch.tensor(CLIP_STD))


@pytest.mark.parametrize("weights", ["webli", "siglip2.safetensors"])
def test_a_weight_file_is_taken_for_what_all_published_weights_are(weights):
    view = ClipEncoder("ViT-B-16-SigLIP2-256", weights).preprocess
    assert (view.side, view.resize_mode) == (256, "squash")
    assert torch.equal(view.mean, HALF) and torch.equal(view.std, HALF)


def test_a_weight_file_that_may_need_either_is_refused():
    with pytest.raises(InputError, match="ViT-L-14 are published for different.*preprocess_cfg"):
        _ = ClipEncoder("ViT-L-14", "large.safetensors").preprocess
    tagged = ClipEncoder("ViT-L-14", "laion2b_s32b_b82k").preprocess
    assert torch.equal(tagged.mean, HALF)


def test_a_config_file_may_say_it(tmp_path):
    settings = dict(mean=[0.5] * 3, std=[0.25] * 3, resize_mode="squash", interpolation="bilinear")
    (tmp_path / "clip.json").write_text(json.dumps({**LAYOUT, "preprocess_cfg": settings}))
    view = ClipEncoder(str(tmp_path / "clip.json"), "w.pt").preprocess
    assert (view.resize_mode, view.interpolation) == ("squash", "bilinear")
    found = view(torch.full((1, 3, 16, 16), 255, dtype=torch.uint8))
    assert torch.equal(found, torch.full((1, 3, 16, 16), 2.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(resize_mode="longest"), "resize_mode 'longest'.* expected shortest or squash"),
        (dict(interpolation="lanczos"), "interpolation 'lanczos'"),
        (dict(mean=(0.5,)), r"mean \(0.5,\).*three numbers"),
        (dict(std="grey"), "std 'grey'.*three numbers"),
    ],
)
def test_what_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        ImagePreprocess(16, **{**dict(mean=CLIP_MEAN, std=CLIP_STD), **settings})


def test_pixels_and_inputs_are_told_apart_by_their_type():
    """The tower sees the same."""
    encoder = ClipEncoder(**CLIP, batch_size=2)
    side = encoder.image_size
    pixels = torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8)
    again = encoder.encode_image(encoder.preprocess(pixels))
    torch.testing.assert_close(encoder.encode_image(pixels), again)
