"""The one door to CLIP: class names to text embeddings, crops to image embeddings.

CLIP is a frozen teacher, never a part of a detector: `ClipEncoder` is not an ``nn.Module``,
so it may be an attribute of a model and still stay out of its ``state_dict``, ``parameters()``
and checkpoints. Models come from ``open_clip``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.errors import InputError, one_of
from vovtrack.files.checkpoints import check_checkpoint_file
from vovtrack.files.hashing import file_sha256
from vovtrack.models.clip.configs import (
    check_activation,
    named_model_config,
    preprocess_settings,
    published_preprocess,
    read_model_config,
)
from vovtrack.models.clip.folded_tokenizer import FoldedTokenizer
from vovtrack.models.clip.preprocess import ImagePreprocess
from vovtrack.models.clip.templates import resolve_templates
from vovtrack.models.clip.text_cache import TextCache, user_cache
from vovtrack.models.limits import measured
from vovtrack.registry import MODELS

if TYPE_CHECKING:
    import open_clip

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Channel means (RGB, images in [0, 1]) of the input of OpenAI's CLIP and of the mini one."""
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Channel standard deviations that belong to `CLIP_MEAN`."""

LONG_WAIT = 2000
"""Sentences that a CPU does not read in passing."""
IMAGE_DTYPES = ("float32", "bfloat16", "float16")
_WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")

Tokenizer = Callable[[Sequence[str]], Tensor]


def build_clip(config: str | Path) -> tuple[open_clip.CLIP, Tokenizer]:
    """Build a CLIP with random weights, and its tokenizer, from an open_clip model config file.

    A ``text_cfg.vocab_size`` below the tokenizer's 49408 selects the `FoldedTokenizer`. A key
    ``preprocess_cfg``, as in open_clip's published configs, is for `ClipEncoder.preprocess`.

    Raises:
        InputError: The file is missing, not JSON, lacks or has unknown keys, or describes a model
            beyond the limits of :mod:`vovtrack.models.limits`.
    """
    import open_clip

    settings = read_model_config(config)
    settings.pop("preprocess_cfg", None)
    text = settings["text_cfg"]
    try:
        with measured(f"The CLIP config {config}"):
            open_clip.CLIP(**settings)
        model = open_clip.CLIP(**settings)
    except (TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{config} is not an open_clip model config: {error}") from error
    context_length = model.context_length
    tokenizer = open_clip.SimpleTokenizer(context_length=context_length)
    if text.get("vocab_size", tokenizer.vocab_size) < tokenizer.vocab_size:
        tokenizer = FoldedTokenizer(text["vocab_size"], context_length)
    return model.eval(), tokenizer


def image_side(model: open_clip.CLIP) -> int:
    """Return the side in pixels of the square images that a CLIP reads."""
    size = model.visual.image_size
    return int(size[0] if isinstance(size, (tuple, list)) else size)


def encode_tokens(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Encode token rows (N, L) to sentence embeddings (N, D) on the device of the model.

    The embeddings are not normalised. Tokens on the CPU spare a GPU the wait for their length.
    CLIP's text tower is causal and reads the row of the end token only, so positions behind the
    longest sentence of the batch cannot matter and are cut off: the same result for a fraction of
    the work. Models of another construction are run as they are.
    """
    import open_clip

    device = next(model.parameters()).device
    causal = isinstance(model, open_clip.CLIP) and model.attn_mask is not None
    if not causal or model.text_pool_type != "argmax":
        return model.encode_text(tokens.to(device, non_blocking=True))
    end = tokens.argmax(dim=1)
    read = tokens[:, : int(end.max()) + 1].to(device, non_blocking=True)
    return encode_token_embeds(model, model.token_embedding(read), end)


def encode_token_embeds(model: open_clip.CLIP, embeds: Tensor, end: Tensor) -> Tensor:
    """Run the causal text tower on token embeddings.

    Args:
        model: An open_clip model with a causal text tower that reads the end token.
        embeds: (N, L, W) token embeddings, L at most the context length.
        end: (N,) position of the end token.

    Returns:
        (N, D) sentence embeddings, not normalised.
    """
    length = embeds.shape[1]
    x = embeds + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    rows = torch.arange(len(x), device=x.device)
    x = model.ln_final(x)[rows, end.to(x.device, non_blocking=True)]
    projection = model.text_projection
    return projection(x) if isinstance(projection, torch.nn.Module) else x @ projection


@MODELS.register_module()
class ClipEncoder:
    """Frozen CLIP that turns class names into unit text embeddings.

    Nothing is read or fetched at construction; the model loads at the first use. Embeddings of a
    list of names are kept in memory and on disk, under a hash of everything that determines them.

    Args:
        model: Name of an open_clip model ("ViT-B-32-quickgelu" is the CLIP of the published
            detectors) or path of an open_clip model config (.json).
        pretrained: open_clip weight tag ("openai"; fetched once, then taken from the local
            cache) or path of a weight file (.safetensors, .pt, .pth, .bin).
        templates: Name of a template set ("lvis74", "name") or sentences with one ``{}`` each.
        batch_size: Sentences per forward pass.
        cache_dir: Folder of the embeddings; ``user`` is that of this user, see
            :func:`~vovtrack.models.clip.text_cache.user_cache`. None keeps them in memory only.
        device: Where CLIP runs, until :meth:`to` moves it: it is not moved with the model that owns
            it, which tells it instead.
        image_dtype: Precision of the image tower: ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        InputError: A malformed template, or a config path without a weight file.
    """

    def __init__(
        self,
        model: str = "ViT-B-32-quickgelu",
        pretrained: str = "openai",
        templates: str | Sequence[str] = "lvis74",
        batch_size: int = 256,
        cache_dir: str | Path | None = "user",
        device: str = "cpu",
        image_dtype: str = "float32",
    ) -> None:
        self.image_dtype = one_of("image_dtype", image_dtype, IMAGE_DTYPES)
        self.model = str(model)
        self.pretrained = str(pretrained)
        self.templates = resolve_templates(templates)
        self.batch_size = batch_size
        self.cache = TextCache(user_cache() if cache_dir == "user" else cache_dir)
        self.device = torch.device(device)
        self._loaded: tuple[open_clip.CLIP, Tokenizer] | None = None
        if self._from_config and not self._from_file:
            raise InputError(
                f"the CLIP config {self.model} needs a weight file, but pretrained is "
                f"{self.pretrained!r}; give the path of a .safetensors file"
            )

    @property
    def embed_dim(self) -> int:
        """Dimension D of the embeddings; known without loading any weight."""
        return int(self._config["embed_dim"])

    @property
    def token_dims(self) -> int:
        """Width of the text tower's token embeddings; known without loading any weight."""
        return int(self._config["text_cfg"]["width"])

    @cached_property
    def preprocess(self) -> ImagePreprocess:
        """How images become inputs of `encode_image`; known without loading any weight.

        Raises:
            InputError: A weight file that may be of models with different preprocessing.
        """
        from open_clip import CLIPVisionCfg

        if self._from_config:
            settings = preprocess_settings(self._config.get("preprocess_cfg", {}))
        else:
            settings = published_preprocess(
                self.model, None if self._from_file else self.pretrained
            )
        side = self._config["vision_cfg"].get("image_size", CLIPVisionCfg.image_size)
        return ImagePreprocess(side if isinstance(side, int) else side[0], **settings)

    @property
    def image_size(self) -> int:
        """Side in pixels of the square images that `encode_image` reads."""
        return self.preprocess.side

    def to(self, device: str | torch.device) -> ClipEncoder:
        """Run on ``device`` from now on."""
        device = torch.device(device)
        if device != self.device:
            self.device = device
            if self._loaded is not None:
                self._loaded[0].to(device)
        return self

    def encode(self, names: Sequence[str]) -> Tensor:
        """Embed class names: normalise per template, average over templates, normalise.

        Args:
            names: C class names, put into the templates as they are.

        Returns:
            (C, D) float32 unit rows on the CPU.

        Raises:
            InputError: No or blank names, a name too long for the text tower, or weights that
                cannot be found, fetched or safely read.
        """
        checked = _checked_names(names)
        made_of = [*self.identity, self.templates]
        return self.cache.recall(made_of, checked, lambda: self._encode(checked))

    @torch.no_grad()
    def encode_image(self, images: Tensor, normalize: bool = True) -> Tensor:
        """Embed images.

        Args:
            images: (N, 3, `image_size`, `image_size`) RGB: uint8 pixels, or float inputs that went
                through `preprocess`.
            normalize: Return unit rows; False for sums over crops that normalise afterwards.

        Returns:
            (N, D) float32 on the device of CLIP.
        """
        model, _ = self.load()
        preprocess = self.preprocess.to(self.device)
        dtype = getattr(torch, self.image_dtype)
        parts = [torch.zeros(0, self.embed_dim, device=self.device)]
        for batch in images.split(self.batch_size) if len(images) else ():
            inputs = batch.to(self.device, non_blocking=True)
            inputs = inputs if inputs.is_floating_point() else preprocess(inputs)
            # Convolutions, of which some towers consist, are fastest with channels last.
            inputs = inputs.contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
                parts.append(model.encode_image(inputs).float())
        embeds = torch.cat(parts)
        return F.normalize(embeds, dim=-1) if normalize else embeds

    @cached_property
    def identity(self) -> tuple[str, str]:
        """What architecture and weights are: names, or hashes of files. Moved files stay equal."""
        model = _file_hash(self.model) if self._from_config else self.model
        return model, _file_hash(self.pretrained) if self._from_file else self.pretrained

    @cached_property
    def _config(self) -> dict:
        """The open_clip model config."""
        return (read_model_config if self._from_config else named_model_config)(self.model)

    @property
    def _from_config(self) -> bool:
        return self.model.endswith(".json")

    @property
    def _from_file(self) -> bool:
        return self.pretrained.endswith(_WEIGHT_SUFFIXES)

    @torch.no_grad()
    def _encode(self, names: tuple[str, ...]) -> Tensor:
        model, tokenizer = self.load()
        _announce(len(names) * len(self.templates), self.device)
        total = torch.zeros(len(names), self.embed_dim, device=self.device)
        for template in self.templates:
            for start in range(0, len(names), self.batch_size):
                rows = slice(start, start + self.batch_size)
                tokens = tokenizer([template.format(name) for name in names[rows]])
                _check_length(tokens, names[rows], tokenizer)
                total[rows] += F.normalize(encode_tokens(model, tokens).float(), dim=-1)
        return F.normalize(total, dim=-1).cpu()

    def load(self) -> tuple[open_clip.CLIP, Tokenizer]:
        """The frozen open_clip model, on its device, and its tokenizer; read at the first call."""
        if self._loaded is None:
            with torch.device("cpu"):  # also where its owner is built on the meta device
                model, tokenizer = self._load_file() if self._from_file else self._load_tag()
            model = model.eval().requires_grad_(False).to(self.device)
            model.visual.to(memory_format=torch.channels_last)
            self._loaded = model, tokenizer
        return self._loaded

    def _load_file(self) -> tuple[open_clip.CLIP, Tokenizer]:
        import open_clip

        _require_file(self.pretrained)
        if self._from_config:
            model, tokenizer = build_clip(self.model)
        else:
            named_model_config(self.model)
            model = open_clip.create_model(self.model, load_weights=False, pretrained_text=False)
            tokenizer = open_clip.get_tokenizer(self.model)
        try:
            check_checkpoint_file(self.pretrained)
            open_clip.load_checkpoint(model, self.pretrained, strict=True, weights_only=True)
        except Exception as error:  # unpickling, archive and shape errors share no base class
            raise InputError(
                f"{self.pretrained} does not hold weights of the CLIP {self.model} that can be "
                f"read safely ({_first_line(error)}); give a .safetensors file or a plain state "
                "dict saved by torch.save"
            ) from error
        return model, tokenizer

    def _load_tag(self) -> tuple[open_clip.CLIP, Tokenizer]:
        import open_clip

        check_activation(self.model, self.pretrained)
        try:
            model = open_clip.create_model(
                self.model, pretrained=self.pretrained, require_pretrained=True
            )
        except Exception as error:  # hub, network and archive errors share no base class
            raise InputError(
                f"the CLIP weights {self.pretrained!r} of {self.model} could not be fetched "
                f"({_first_line(error)}); connect to the network once, after which they are kept "
                "locally, or give `pretrained` the path of a weight file"
            ) from error
        return model, open_clip.get_tokenizer(self.model)


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise InputError(f"class names must be a list of strings, not the string {names!r}")
    checked = tuple(names)
    if not checked:
        raise InputError("the list of class names is empty; give at least one")
    for index, name in enumerate(checked):
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"class name {index} is {name!r}; every name must have a letter")
    return checked


def _check_length(tokens: Tensor, names: Sequence[str], tokenizer: Tokenizer) -> None:
    """Refuse sentences that fill the whole context: CLIP's tokenizer cuts longer ones silently."""
    full = tokens[:, -1] == getattr(tokenizer, "eot_token_id", -1)
    if full.any():
        raise InputError(
            f"the class name {names[int(full.nonzero()[0])]!r} is too long: CLIP reads fewer than "
            f"{tokens.shape[1]} tokens, template included; shorten it"
        )


def _require_file(path: str | Path) -> None:
    if not Path(path).is_file():
        raise InputError(
            f"the CLIP file {path} does not exist; correct its path, or make the file (the mini "
            "world's weights come from tools/train_mini_clip.py)"
        )


def _file_hash(path: str | Path) -> str:
    _require_file(path)
    return file_sha256(path)


def _announce(sentences: int, device: torch.device) -> None:
    """Say why nothing seems to happen."""
    if sentences >= LONG_WAIT and device.type == "cpu":
        logging.getLogger("vovtrack").warning(
            "CLIP reads %d sentences on the CPU. It does so once: the embeddings are kept for the "
            "next time.",
            sentences,
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
