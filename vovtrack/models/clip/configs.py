"""What open_clip knows about a model before any weight is read: its layout and its images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vovtrack.errors import InputError, did_you_mean

_PREPROCESS = ("mean", "std", "interpolation", "resize_mode")


def read_model_config(path: str | Path) -> dict[str, Any]:
    """Read an open_clip model config file.

    Raises:
        InputError: The file is missing, not JSON, or lacks keys.
    """
    try:
        settings = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"the CLIP config {path} does not exist") from error
    except ValueError as error:
        raise InputError(f"the CLIP config {path} is not valid JSON: {error}") from error
    missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(settings)
    if missing:
        raise InputError(f"the CLIP config {path} lacks the keys {', '.join(sorted(missing))}")
    return settings


def named_model_config(name: str) -> dict[str, Any]:
    """Look a model of open_clip up.

    Raises:
        InputError: There is none of this name; near ones are listed.
    """
    import open_clip

    settings = open_clip.get_model_config(name)
    if settings is None:
        hint = did_you_mean(name, open_clip.list_models()) or " See open_clip.list_models()."
        raise InputError(f"open_clip has no model {name!r}.{hint}")
    return settings


def check_activation(name: str, tag: str) -> None:
    """Refuse weights trained with QuickGELU in a model built with GELU: silently wrong numbers.

    Raises:
        InputError: It is so, or open_clip knows no weights ``tag`` of the model.
    """
    import open_clip

    settings = named_model_config(name)
    known = open_clip.list_pretrained_tags_by_model(name)
    if tag not in known:
        raise InputError(
            f"open_clip has no weights {tag!r} for {name}; choose one of {', '.join(known)}, or "
            "give the path of a weight file"
        )
    quick = bool(open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False))
    if quick and not settings.get("quick_gelu", False):
        raise InputError(
            f"the weights {tag!r} were trained with the QuickGELU activation, which {name} does "
            f"not use; set model='{name}-quickgelu'"
        )


def preprocess_settings(preprocess_cfg: dict[str, Any]) -> dict[str, Any]:
    """What open_clip's ``preprocess_cfg`` comes to; its defaults are those of OpenAI's CLIP."""
    from open_clip.transform import PreprocessCfg

    return {key: preprocess_cfg.get(key) or getattr(PreprocessCfg, key) for key in _PREPROCESS}


def published_preprocess(name: str, tag: str | None = None) -> dict[str, Any]:
    """The preprocessing of images that published weights need.

    Args:
        name: An open_clip model.
        tag: Of its weights; None for a weight file, which does not say what it needs: that is what
            all published weights of the model need.

    Raises:
        InputError: No tag is given and published weights differ.
    """
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(name) if tag is None else [tag]
    found = [preprocess_settings(open_clip.get_pretrained_cfg(name, one)) for one in tags]
    if any(settings != found[0] for settings in found):
        raise InputError(
            f"weights of {name} are published for different mean, std or resizing of images, and "
            "a weight file does not say which are its own: give the tag of the weights, or write "
            "the model config with a key 'preprocess_cfg' to a .json file and give that as model"
        )
    return found[0] if found else preprocess_settings({})
