"""The image network of the released model at its full size, against what the original gave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.point.trackon.released import released, seeded_video
from tests.recorded import Recorded

NAME = "forward_full.npz"


class Outputs:
    """What the parts of the image network give for the first frame."""

    def __init__(self, recorded: Recorded) -> None:
        self.arrays, meta = recorded.arrays(NAME), recorded.meta(NAME)
        self.model = released(recorded, meta["size"])
        video = seeded_video(meta["T"], meta["video_hw"], meta["shift"], recorded.salt)
        self.found: dict = {}
        backbone = self.model.backbone
        encoder = backbone.vit_encoder
        parts = {
            "spm": encoder.spm,
            "patch_embed": encoder.patch_embed,
            "injector0": encoder.interactions[0].injector,
            "block0": encoder.blocks[0],
            "encoder": encoder,
            "projected": backbone.token_projection,
        }
        parts |= {f"inter{i}": part for i, part in enumerate(encoder.interactions)}
        for name, part in parts.items():
            part.register_forward_hook(lambda *call, name=name: self.keep(name, call[-1]))
        frames = F.interpolate(video[0, :1], self.model.input_size, mode="bilinear")
        with torch.no_grad():
            self.found["tokens"] = self.square(self.model.encode(frames))

    def keep(self, name: str, output) -> None:
        self.found[name] = output

    def square(self, tokens: Tensor) -> Tensor:
        return tokens[0].T.unflatten(-1, self.model.grid)

    def check(self, name: str, found: Tensor) -> None:
        wanted = self.arrays[name]
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def outputs(recorded: Recorded) -> Outputs:
    return Outputs(recorded)


def test_spatial_prior(outputs):
    fine, *coarse = outputs.found["spm"]
    outputs.check("spm_c1", fine[0, ::48, ::8, ::8])
    for number, level, step in zip((2, 3, 4), coarse, (32, 8, 2), strict=True):
        rows = level[0].flatten(1).T
        outputs.check(f"spm_c{number}", rows[::step, ::24])


def test_transformer(outputs):
    outputs.check("patch_embed", outputs.found["patch_embed"][0, ::8, ::16])
    outputs.check("injector0", outputs.found["injector0"][0, ::8, ::16])
    outputs.check("block0", outputs.found["block0"][0, ::8, ::16])


def test_interactions(outputs):
    count = sum(name.endswith("_cls") for name in outputs.arrays)
    assert count == len(outputs.model.backbone.vit_encoder.interactions)
    for index in range(count):
        first, tokens, pyramid = outputs.found[f"inter{index}"]
        outputs.check(f"inter{index}_cls", first[0, 0, ::4])
        outputs.check(f"inter{index}_x", tokens[0, ::8, ::16])
        outputs.check(f"inter{index}_c", pyramid[0, ::32, ::16])


def test_tokens(outputs):
    outputs.check("adapter_f1", outputs.found["encoder"][0][0, ::24, ::8, ::8])
    outputs.check("projected", outputs.found["projected"][0, ::16, ::8, ::8])
    outputs.check("tokens", outputs.found["tokens"][::16, ::8, ::8])
