import json
import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vovtrack.errors import InputError
from vovtrack.models import ClipEncoder
from vovtrack.models.clip.encoder import build_clip, encode_tokens
from vovtrack.models.clip.templates import lvis_templates, resolve_templates
from vovtrack.models.clip.text_bank import save_text_bank
from vovtrack.models.clip.text_cache import user_cache
from vovtrack.registry import MODELS

NAMES = ["striped red star", "aerosol_can", "lamb_(animal)"]


def write_config(folder, vocab_size=512):
    path = folder / "clip.json"
    config = {
        "embed_dim": 16,
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": 16,
            "patch_size": 8,
            "width": 32,
            "head_width": 16,
            "layers": 1,
        },
        "text_cfg": {
            "context_length": 24,
            "vocab_size": vocab_size,
            "width": 32,
            "heads": 2,
            "layers": 2,
        },
    }
    path.write_text(json.dumps(config))
    return path


@pytest.fixture
def tiny_clip(tmp_path):
    """Config path, weight path and model of a small CLIP with random weights."""
    from safetensors.torch import save_file

    config = write_config(tmp_path)
    torch.manual_seed(3)
    model, tokenizer = build_clip(config)
    weights = tmp_path / "clip.safetensors"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, weights)
    return str(config), str(weights), model, tokenizer


class TestTemplates:
    def test_the_74_sentences_in_published_order(self):
        templates = lvis_templates()
        assert len(templates) == len(set(templates)) == 74
        assert all(t.count("{}") == 1 and not t.endswith(".") for t in templates)
        assert all("  " not in t for t in templates)
        assert templates[:4] == (
            "This is a {}",
            "There is a {}",
            "a photo of a {} in the scene",
            "a photo of a small {} in the scene",
        )
        assert templates[6:14:4] == ("a photo of a {}", "This is a photo of a {}")
        assert templates[14:26:3] == (
            "There is a {} in the scene",
            "This is a {} in the scene",
            "This is one small {} in the scene",
            "There is a small {} in the scene",
        )
        assert templates[26] == "There is a {} in the photo"
        assert templates[27] == "There is the {} in the photo"
        assert templates[29] == "There is a small {} in the photo"
        assert templates[38] == "There is a {} in the picture"
        assert templates[50] == "This is a {} in the photo"
        assert templates[-1] == "This is one large {} in the picture"

    def test_counts_per_kind(self):
        templates = lvis_templates()
        count = {word: sum(word in t for t in templates) for word in ("scene", "photo", "picture")}
        assert count == {"scene": 16, "photo": 36, "picture": 24}
        assert sum("small" in t for t in templates) == 3 + 2 + 12
        assert sum(" one " in t for t in templates) == 2 + 3 + 16

    @pytest.mark.parametrize("templates", ["lvis80", [], ["a photo"], ["{} and {}"]])
    def test_refuses(self, templates):
        with pytest.raises(InputError):
            resolve_templates(templates)


class TestEncode:
    def test_equals_the_definition(self, tiny_clip):
        config, weights, model, tokenizer = tiny_clip
        encoder = ClipEncoder(config, weights, batch_size=2)
        per_template = []
        with torch.no_grad():
            for template in lvis_templates():
                tokens = tokenizer([template.format(name) for name in NAMES])
                per_template.append(F.normalize(model.encode_text(tokens), dim=-1))
        expected = F.normalize(torch.stack(per_template).mean(0), dim=-1)
        torch.testing.assert_close(encoder.encode(NAMES), expected, atol=1e-5, rtol=0)
        assert encoder.embed_dim == 16

    def test_truncated_encoding_is_exact(self, tiny_clip):
        _, _, model, tokenizer = tiny_clip
        tokens = tokenizer(["a", "a photo of a striped red star in the scene", "one red heart"])
        with torch.no_grad():
            torch.testing.assert_close(encode_tokens(model, tokens), model.encode_text(tokens))

    def test_folded_tokens_stay_in_the_table_and_keep_the_end_highest(self, tiny_clip):
        _, _, model, tokenizer = tiny_clip
        tokens = tokenizer(["star", "a wholly unheard-of wörd!"])
        assert tokens.min() == 0 and tokens.max() == 511
        assert (tokens[:, 0] == 510).all()
        end = tokens.argmax(dim=1)
        assert end[0] == 2 and end[1] > 6
        assert all((row[last + 1 :] == 0).all() for row, last in zip(tokens, end, strict=True))
        assert (tokens[1, 1 : end[1]] > 0).all()

    def test_full_vocabulary_uses_the_tokenizer_unchanged(self, tmp_path):
        import open_clip

        _, tokenizer = build_clip(write_config(tmp_path, vocab_size=49408))
        assert isinstance(tokenizer, open_clip.SimpleTokenizer)
        assert tokenizer(["X airplane."])[0, :5].tolist() == [49406, 343, 16451, 269, 49407]

    def test_result_cannot_be_spoiled_through_the_cache(self, tiny_clip):
        encoder = ClipEncoder(*tiny_clip[:2], templates="name")
        first = encoder.encode(NAMES)
        expected = first.clone()
        first.zero_()
        assert torch.equal(encoder.encode(NAMES), expected)

    def test_stays_out_of_the_state_dict_of_its_owner(self, tiny_clip):
        owner = nn.Module()
        owner.text_encoder = MODELS.build(
            dict(type="ClipEncoder", model=tiny_clip[0], pretrained=tiny_clip[1])
        )
        owner.text_encoder.encode(["star"])
        assert not owner.state_dict() and not list(owner.parameters())

    def test_images(self, tiny_clip):
        encoder = ClipEncoder(*tiny_clip[:2], batch_size=2)
        assert encoder.image_size == 16
        images = torch.randn(3, 3, 16, 16)
        with torch.no_grad():
            expected = tiny_clip[2].encode_image(images)
        torch.testing.assert_close(encoder.encode_image(images, normalize=False), expected)
        assert torch.allclose(encoder.encode_image(images).norm(dim=1), torch.ones(3))
        assert encoder.encode_image(images[:0]).shape == (0, 16)


class TestDiskCache:
    def test_second_encoder_reads_without_loading_the_model(self, tiny_clip, tmp_path):
        arguments = dict(templates="name", cache_dir=str(tmp_path / "cache"))
        first = ClipEncoder(*tiny_clip[:2], **arguments).encode(NAMES)
        again = ClipEncoder(*tiny_clip[:2], **arguments)
        assert torch.equal(again.encode(NAMES), first)
        assert again._loaded is None

    def test_by_default_the_user_s_folder_is_used(self, tiny_clip, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
        ClipEncoder(*tiny_clip[:2], templates="name").encode(NAMES)
        again = ClipEncoder(*tiny_clip[:2], templates="name")
        again.encode(NAMES)
        assert again._loaded is None
        assert len(list((tmp_path / "mine/vovtrack/text").iterdir())) == 1
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert user_cache() == Path.home() / ".cache/vovtrack/text"

    @pytest.mark.parametrize("damage", ["cut", "other names", "not a number", "no names"])
    def test_a_damaged_file_is_made_again(self, tiny_clip, tmp_path, damage):
        from safetensors.torch import save_file

        def encoder():
            return ClipEncoder(*tiny_clip[:2], templates="name", cache_dir=tmp_path / "cache")

        first = encoder().encode(NAMES)
        (path,) = (tmp_path / "cache").iterdir()
        whole = path.read_bytes()
        if damage == "cut":
            path.write_bytes(whole[:-7])
        elif damage == "other names":
            save_text_bank(path, first, ["a", "b", "c"])
        elif damage == "not a number":
            save_text_bank(path, first * torch.nan, NAMES)
        else:
            save_file({"embeddings": first}, path)
        assert torch.equal(encoder().encode(NAMES), first)
        assert path.read_bytes() == whole

    def test_a_folder_that_cannot_be_written_costs_a_warning(self, tiny_clip, tmp_path, caplog):
        (tmp_path / "cache").write_text("a file in the way")
        encoder = ClipEncoder(*tiny_clip[:2], templates="name", cache_dir=tmp_path / "cache")
        plain = ClipEncoder(*tiny_clip[:2], templates="name", cache_dir=None)
        assert torch.equal(encoder.encode(NAMES), plain.encode(NAMES))
        assert "not kept for the next time" in caplog.text

    def test_a_long_wait_is_announced_once(self, tiny_clip, tmp_path, caplog):
        names = [f"star {number}" for number in range(30)]
        for _ in range(2):
            ClipEncoder(*tiny_clip[:2], cache_dir=tmp_path / "cache").encode(names)
        assert caplog.text.count("CLIP reads 2220 sentences on the CPU") == 1

    def test_key_depends_on_names_templates_and_weights(self, tiny_clip, tmp_path):
        from safetensors.torch import load_file, save_file

        cache = tmp_path / "cache"
        config, weights = tiny_clip[:2]
        other = str(tmp_path / "other.safetensors")
        state = load_file(weights)
        state["text_projection"] = state["text_projection"].flip(1).contiguous()
        save_file(state, other)
        for pretrained, templates, names in [
            (weights, "name", ["star", "heart"]),
            (weights, "name", ["heart", "star"]),
            (weights, "name", ["star heart"]),
            (weights, ["a {}"], ["star", "heart"]),
            (other, "name", ["star", "heart"]),
        ]:
            plain = ClipEncoder(config, pretrained, templates).encode(names)
            cached = ClipEncoder(config, pretrained, templates, cache_dir=str(cache))
            torch.testing.assert_close(cached.encode(names), plain)
        assert len(list(cache.iterdir())) == 5


class TestRefusals:
    def test_activation_mismatch(self):
        with pytest.raises(InputError, match="ViT-B-32-quickgelu"):
            ClipEncoder("ViT-B-32", "openai").encode(["star"])

    def test_unknown_model_and_tag(self):
        with pytest.raises(InputError, match="Did you mean"):
            ClipEncoder("ViT-B-33", "openai").encode(["star"])
        with pytest.raises(InputError, match="choose one of"):
            ClipEncoder("ViT-B-32-quickgelu", "openia").encode(["star"])

    def test_unreachable_network_is_explained(self, monkeypatch, tmp_path):
        import open_clip

        def offline(*args, **kwargs):
            raise ConnectionError("no route")

        monkeypatch.setattr(open_clip, "create_model", offline)
        with pytest.raises(InputError, match="no route.*connect to the network once"):
            ClipEncoder().encode(["star"])

    def test_construction_needs_no_files(self, tmp_path):
        encoder = ClipEncoder(str(write_config(tmp_path)), str(tmp_path / "none.safetensors"))
        assert encoder.embed_dim == 16
        with pytest.raises(InputError, match="none.safetensors does not exist"):
            encoder.encode(["star"])

    def test_config_needs_a_weight_file(self, tmp_path):
        with pytest.raises(InputError, match="needs a weight file"):
            ClipEncoder(str(write_config(tmp_path)), "openai")

    def test_wrong_truncated_and_unsafe_weights(self, tiny_clip, tmp_path):
        config, weights, *_ = tiny_clip
        cut = tmp_path / "cut.safetensors"
        cut.write_bytes((tmp_path / "clip.safetensors").read_bytes()[:-100])
        partial = tmp_path / "partial.pt"
        torch.save({"logit_scale": torch.tensor(1.0)}, partial)
        evil = tmp_path / "evil.pt"
        evil.write_bytes(pickle.dumps(Touch(tmp_path / "executed")))
        for path in (cut, partial, evil):
            with pytest.raises(InputError, match=path.name):
                ClipEncoder(config, str(path)).encode(["star"])
        assert not (tmp_path / "executed").exists()

    def test_config_errors(self, tmp_path):
        for content, message in [
            ("{", "not valid JSON"),
            ('{"embed_dim": 4}', "lacks the keys text_cfg, vision_cfg"),
            ('{"embed_dim": 4, "vision_cfg": {}, "text_cfg": {"hight": 3}}', "hight"),
        ]:
            path = tmp_path / "bad.json"
            path.write_text(content)
            with pytest.raises(InputError, match=message):
                build_clip(path)

    @pytest.mark.parametrize("names", [[], "star", ["star", " "], [3]])
    def test_names(self, tiny_clip, names):
        with pytest.raises(InputError):
            ClipEncoder(*tiny_clip[:2]).encode(names)

    def test_name_longer_than_the_context(self, tiny_clip):
        with pytest.raises(InputError, match="red red.*too long"):
            ClipEncoder(*tiny_clip[:2], "name").encode(["star", "red " * 30])


class Touch:
    """A pickle that creates a file when it is loaded without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))
