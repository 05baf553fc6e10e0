"""DINOv2 and DINOv3 against v1's and timm's code with the same weights, and in their adapter."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from safetensors.torch import save_file
from timm import layers as timm_layers
from timm.models import eva
from torch import nn

from tests.point.trackon.released import small2
from vovtrack.engine.weights.checkpoint import load_checkpoint_into
from vovtrack.errors import InputError
from vovtrack.point.models import Dinov2Adapter, Dinov3Adapter
from vovtrack.point.models.dino import Dinov2, Dinov3
from vovtrack.point.models.vit import VisionTransformer

CLOSE = dict(rtol=1e-4, atol=1e-5)
SMALL = dict(embed_dims=24, depth=4, num_heads=3, adapter_heads=3)


def drawn(module: nn.Module) -> nn.Module:
    """The module with all its weights drawn at random."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return module.eval()


def through(begun) -> torch.Tensor:
    """All tokens after all layers."""
    first, tokens, blocks = begun
    joined = torch.cat([first, tokens], dim=1)
    for block in blocks:
        joined = block(joined)
    return joined


@torch.no_grad()
def test_dinov2_is_that_of_track_on_v1():
    """Whose numbers were recorded, and which keeps queries, keys and values in one layer."""
    ours = drawn(Dinov2(embed_dims=24, depth=2, num_heads=3, table=5))
    theirs = VisionTransformer(table=5, embed_dims=24, depth=2, num_heads=3).eval()
    weights = ours.state_dict()
    embeddings = {
        "cls_token": "cls_token",
        "pos_embed": "position_embeddings",
        "patch_embed.proj.weight": "patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "patch_embeddings.projection.bias",
    }
    renamed = {key: weights[f"embeddings.{name}"] for key, name in embeddings.items()}
    for key in theirs.state_dict():
        if key.startswith("blocks."):
            own = "encoder.layer." + key.removeprefix("blocks.")
            own = own.replace("ls1.gamma", "layer_scale1.lambda1")
            own = own.replace("ls2.gamma", "layer_scale2.lambda1")
            own = own.replace("attn.proj", "attention.output.dense")
            if "attn.qkv" in own:
                names = ("query", "key", "value")
                parts = [own.replace("attn.qkv", f"attention.attention.{name}") for name in names]
                renamed[key] = torch.cat([weights[part] for part in parts])
            else:
                renamed[key] = weights[own]
    theirs.load_state_dict(renamed, strict=False)
    images = torch.randn(2, 3, 14 * 3, 14 * 4)
    wanted = through((*theirs.embed(images), theirs.blocks))
    torch.testing.assert_close(through(ours.begin(images)), wanted, **CLOSE)


@pytest.mark.skipif(
    not hasattr(timm_layers, "RotaryEmbeddingDinoV3"), reason="this timm has no DINOv3"
)
@torch.no_grad()
def test_dinov3_is_that_of_timm():
    ours = drawn(Dinov3(embed_dims=24, depth=2, num_heads=3, registers=2))
    rope = timm_layers.RotaryEmbeddingDinoV3(8, rotate_half=True).get_embed([3, 4])
    images = torch.randn(2, 3, 16 * 3, 16 * 4)
    first, tokens, _ = ours.begin(images)
    x = torch.cat([first, tokens], dim=1)
    for layer in ours.layer:
        block = eva.EvaBlock(
            24,
            num_heads=3,
            qkv_fused=False,
            swiglu_mlp=True,
            swiglu_align_to=8,
            num_prefix_tokens=3,
            rotate_half=True,
            init_values=1.0,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
        ).eval()
        names = {
            "gamma_1": "layer_scale1.lambda1",
            "gamma_2": "layer_scale2.lambda1",
            "attn.proj.": "attention.o_proj.",
            "attn.": "attention.",
            "mlp.fc1_g": "mlp.gate_proj",
            "mlp.fc1_x": "mlp.up_proj",
            "mlp.fc2": "mlp.down_proj",
        }
        weights = layer.state_dict()
        renamed = {}
        for key in block.state_dict():
            prefix = next((name for name in names if key.startswith(name)), "")
            renamed[key] = weights[names.get(prefix, "") + key.removeprefix(prefix)]
        block.load_state_dict(renamed, strict=True)
        x = block(x, rope=rope)
    torch.testing.assert_close(through(ours.begin(images)), x, **CLOSE)


@pytest.mark.parametrize(
    ("adapter", "zoom", "patches"),
    [(Dinov2Adapter, {}, (4, 6)), (Dinov3Adapter, {"zoom": 1.143}, (4, 6))],
)
def test_the_transformer_sees_whole_patches(adapter, zoom, patches):
    """Of the enlarged image: at the published size, too, both have as many of them."""
    model = drawn(adapter(**SMALL, **zoom))
    seen = []
    begin = model.begin
    model.begin = lambda images: seen.append(images.shape[-2:]) or begin(images)
    maps = model(torch.randn(1, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == [
        (1, 24, 64 // stride, 96 // stride) for stride in (4, 8, 16, 32)
    ]
    assert seen == [tuple(side * model.patch for side in patches)]
    at_full_size = [int(side * model.zoom) // model.patch for side in (384, 512)]
    assert at_full_size == [27, 36]


@pytest.mark.parametrize("adapter", [Dinov2Adapter, Dinov3Adapter])
def test_only_the_adapter_is_learned_and_recomputing_changes_no_gradient(adapter):
    images = torch.randn(2, 3, 64, 96)
    gradients = []
    for recompute in (False, True):
        model = drawn(adapter(**SMALL, recompute=recompute))
        sum((m**2).mean() for m in model(images)).backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    plain, again = gradients
    assert not any(name.startswith("dinov") for name in plain)
    assert {n for n, p in model.named_parameters() if not p.requires_grad} == {
        n for n, _ in model.named_parameters() if n.startswith("dinov")
    }
    for name, gradient in plain.items():
        assert gradient.abs().sum() > 0, name
        torch.testing.assert_close(again[name], gradient, rtol=1e-4, atol=1e-6)


def test_the_transformer_comes_from_its_own_file(tmp_path):
    """And stays where a checkpoint leaves it out; one that has it is taken as it is."""
    own = drawn(Dinov3(embed_dims=24, depth=4, num_heads=3))
    save_file(own.state_dict(), tmp_path / "dinov3.safetensors")
    model = Dinov3Adapter(**SMALL, pretrained=str(tmp_path / "dinov3.safetensors"))
    assert torch.equal(model.dinov3.norm.weight, own.norm.weight)
    without = {k: v + 1 for k, v in model.state_dict().items() if not k.startswith("dinov3.")}
    model.load_state_dict(without, strict=True)
    assert torch.equal(model.dinov3.norm.weight, own.norm.weight)
    assert torch.equal(model.level_embed, without["level_embed"])
    whole = {key: torch.zeros_like(value) for key, value in model.state_dict().items()}
    model.load_state_dict(whole, strict=True)
    assert not model.dinov3.norm.weight.any()
    with pytest.raises(InputError, match="dinov3.safetensors"):
        Dinov2Adapter(**SMALL, pretrained=str(tmp_path / "dinov3.safetensors"))


def test_a_published_checkpoint_and_the_transformer_s_own_file_make_a_whole_model(tmp_path):
    own = drawn(Dinov3(embed_dims=24, depth=4, num_heads=3))
    save_file(own.state_dict(), tmp_path / "dinov3.safetensors")
    backbone = dict(type="Dinov3Adapter", **SMALL)
    published = {
        f"module.{key}": value
        for key, value in small2(backbone=backbone).state_dict().items()
        if ".dinov3." not in key
    }
    torch.save(dict(model=published), tmp_path / "published.pt")
    model = small2(backbone=dict(backbone, pretrained=str(tmp_path / "dinov3.safetensors")))
    model.requires_grad_(False).t_embedding.zero_()
    load_checkpoint_into(model, tmp_path / "published.pt")
    assert torch.equal(model.t_embedding, published["module.t_embedding"])
    for key, value in model.backbone.vit_encoder.dinov3.state_dict().items():
        assert torch.equal(value, own.state_dict()[key]), key
    with pytest.raises(InputError, match="vit_encoder.dinov3"):
        load_checkpoint_into(small2(backbone=backbone), tmp_path / "published.pt")
