"""Training of the mini world's CLIP: image crops against captions built from the class names.

A class name is "pattern colour shape". Every subset of its words, in order, is a caption ("a
striped star", "something red"), so that each word gets a meaning of its own and names never seen
in training, made of words that were, land in the right place. Only names of classes with training
boxes are ever put into captions.

The base classes tie their words together (most colour-shape pairs come with one pattern only), so
a network may guess one attribute from the others and fail where a novel class breaks the tie.
Therefore part of the batches hide an attribute in the image (a random hue, a close-up) and leave
its word out of the captions: what remains must be recognised by itself.
"""

from __future__ import annotations

import itertools
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vovtrack.errors import InputError
from vovtrack.files.atomic import atomic_write
from vovtrack.files.hashing import file_sha256
from vovtrack.models.clip.encoder import (
    ClipEncoder,
    Tokenizer,
    build_clip,
    encode_tokens,
    image_side,
)
from vovtrack.models.clip.templates import lvis_templates
from vovtrack.synthetic.mini_clip.crops import Crops, augment, centre_view, join_crops, read_crops

if TYPE_CHECKING:
    import open_clip

_WORD_TEMPLATES = ("a {} thing", "something {}", "a photo of a {} object", "{}")
_MAX_SCALE = math.log(30)
_WORD_OF = {"colour": 1, "shape": 2}
"""Position, in a class name, of the word for an attribute that `augment` can hide."""

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class ClipSchedule:
    """How the mini CLIP is trained.

    Attributes:
        epochs: Passes over the crops.
        batch_size: Crops per step.
        lr: Peak learning rate; linear warm-up over 5 % of the steps, then cosine to zero.
        weight_decay: Decoupled weight decay of matrices (not of biases, norms and embeddings).
        hide_colour: Share of the batches shown in random hues and captioned without colour.
        hide_shape: Share of the batches shown as close-ups and captioned without shape.
        additivity: Weight of the loss that draws the embedding of a class name towards the sum
            of the embeddings of its words.
    """

    epochs: int = 30
    batch_size: int = 128
    lr: float = 3e-3
    weight_decay: float = 0.05
    hide_colour: float = 0.25
    hide_shape: float = 0.15
    additivity: float = 1.0


def train_mini_clip(
    world_dir: str | Path,
    out_path: str | Path,
    config: str | Path = "configs/mini/clip_mini.json",
    schedule: ClipSchedule | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict:
    """Train a CLIP on the labelled stills and pairs of a mini world, test it and write it.

    Args:
        world_dir: Folder written by ``vovtrack synth``.
        out_path: Weight file to write (.safetensors, half precision); the returned facts are its
            metadata, as JSON under the key "vovtrack".
        config: open_clip model config file.
        schedule: Default: `ClipSchedule`.
        seed: Seed of weights, order, captions and augmentation.
        progress: Called after every step with (step, number of steps, loss).

    Returns:
        Facts: "zero_shot" (see `zero_shot_accuracy`) on the validation stills, numbers of crops,
        seed, schedule, and SHA-256 of the annotation files and of the config.

    Raises:
        InputError: A file of the world or the config is missing or malformed, or ``out_path``
            does not end in .safetensors.
    """
    if Path(out_path).suffix != ".safetensors":
        raise InputError(f"the weight file {out_path} must end in .safetensors; rename it")
    schedule = schedule or ClipSchedule()
    world = Path(world_dir)
    files = {
        "lvis": world / "lvis/annotations/train.json",
        "pairs": world / "pairs/annotations/train.json",
        "val": world / "lvis/annotations/val.json",
    }
    stills = read_crops(files["lvis"], world / "lvis/images")
    pairs = read_crops(files["pairs"], world / "pairs/images")
    val = read_crops(files["val"], world / "lvis/images")
    train = join_crops(stills, pairs)
    model = train_clip(train, config, schedule, seed, progress)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "clip.safetensors"
        write_weights(model, trial)
        zero_shot = zero_shot_accuracy(ClipEncoder(str(config), str(trial)), val)
    facts = {
        "zero_shot": zero_shot,
        "train_crops": len(train.labels),
        "val_crops": len(val.labels),
        "seed": seed,
        "schedule": asdict(schedule),
        "annotations_sha256": {name: file_sha256(path) for name, path in files.items()},
        "config_sha256": file_sha256(config),
    }
    write_weights(model, out_path, facts)
    return facts


def train_clip(
    crops: Crops,
    config: str | Path,
    schedule: ClipSchedule,
    seed: int = 0,
    progress: Progress | None = None,
) -> nn.Module:
    """Train a small CLIP from scratch.

    Args:
        crops: Training crops, of base classes only.
        config: open_clip model config file.
        schedule: See `ClipSchedule`.
        seed: Seed of weights, order, captions and augmentation.
        progress: Called after every step with (step, number of steps, loss).

    Returns:
        The trained model in eval mode.

    Raises:
        InputError: The crops hold fewer than two classes, or the config is malformed.
    """
    if crops.labels.unique().numel() < 2:
        raise InputError("training a CLIP needs boxes of at least two classes")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, tokenizer = build_clip(config)
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    loss_of = _CaptionLoss(model, tokenizer, crops.names, schedule, rng)
    size = image_side(model)
    steps = schedule.epochs * math.ceil(len(crops.labels) / schedule.batch_size)
    optimizer = torch.optim.AdamW(_parameter_groups(model, schedule.weight_decay), lr=schedule.lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_lr_factor, steps=steps))
    model.train().visual.to(memory_format=torch.channels_last)
    batches = _batches(len(crops.labels), schedule.epochs, schedule.batch_size, generator)
    for step, batch in enumerate(batches, start=1):
        hidden = _draw_hidden(schedule, rng)
        inputs = augment(crops.images[batch], size, generator, hidden)
        images = model.encode_image(
            inputs.contiguous(memory_format=torch.channels_last), normalize=True
        )
        loss = loss_of(images, crops.labels[batch].tolist(), hidden)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=_MAX_SCALE)
        if progress is not None:
            progress(step, steps, float(loss.detach()))
    return model.eval()


def zero_shot_accuracy(encoder: ClipEncoder, crops: Crops) -> dict[str, float | None]:
    """Classify crops by the nearest class text embedding, all classes competing.

    Returns:
        "base" and "novel" accuracy in [0, 1] (None without such crops) and "chance", 1 / C.
    """
    texts = encoder.encode(crops.names)
    images = encoder.encode_image(centre_view(crops.images, encoder.image_size))
    correct = (images @ texts.T).argmax(dim=1) == crops.labels
    novel = crops.novel[crops.labels]

    def share(of: Tensor) -> float | None:
        return float(correct[of].float().mean()) if of.any() else None

    return {"base": share(~novel), "novel": share(novel), "chance": 1 / len(crops.names)}


def contrastive_loss(images: Tensor, texts: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """Compute the symmetric InfoNCE loss where one caption may describe several images.

    Args:
        images: (N, D) unit image embeddings.
        texts: (U, D) unit embeddings of the U different captions.
        target: (N,) caption of each image; every caption has at least one.
        scale: Scalar inverse temperature.

    Returns:
        Mean of the image-to-text cross entropy and the text-to-image cross entropy; the latter
        has soft targets, equal shares for all images of a caption (as in supervised contrastive
        learning, Khosla et al., NeurIPS 2020).
    """
    logits = scale * images @ texts.T
    positives = F.one_hot(target, len(texts)).to(logits.dtype).T
    shares = positives / positives.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, shares)) / 2


def word_subsets(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all non-empty subsets of some words, in order; single words first, all last."""
    sizes = range(1, len(words) + 1)
    return [subset for size in sizes for subset in itertools.combinations(words, size)]


def write_weights(model: nn.Module, path: str | Path, facts: dict | None = None) -> None:
    """Write a model's weights in half precision as safetensors, atomically."""
    from safetensors.torch import save

    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }
    metadata = {"vovtrack": json.dumps(facts or {}, sort_keys=True)}
    with atomic_write(path, "wb") as file:
        file.write(save(state, metadata=metadata))


class _CaptionLoss:
    """Writes captions for a batch and compares their embeddings with the image embeddings.

    One term uses all words of the class names that the image shows. A second uses, for the whole
    batch, one random choice of them (e.g. only the patterns), so that two captions of a batch
    never describe the same image. A third draws the embedding of all words towards the sum of
    the embeddings of single words.
    """

    def __init__(
        self,
        model: open_clip.CLIP,
        tokenizer: Tokenizer,
        names: Sequence[str],
        schedule: ClipSchedule,
        rng: np.random.Generator,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._words = [name.split() for name in names]
        self._nouns = {words[-1] for words in self._words}
        self._schedule = schedule
        self._rng = rng

    def __call__(self, images: Tensor, labels: Sequence[int], hidden: str | None) -> Tensor:
        """Return the loss of unit image embeddings (N, D) of N classes with a hidden attribute."""
        choice = self._rng.random()
        subsets = [word_subsets(self._visible_words(label, hidden)) for label in labels]
        wholes, whole_index = _distinct([of_name[-1] for of_name in subsets])
        parts, part_index = _distinct([of_name[int(choice * len(of_name))] for of_name in subsets])
        words = sorted({word for whole in wholes for word in whole})
        texts = self._encode([*wholes, *parts, *((word,) for word in words)])
        whole_texts, part_texts, word_texts = texts.split([len(wholes), len(parts), len(words)])
        scale = self._model.logit_scale.exp()
        members = torch.tensor([[word in whole for word in words] for whole in wholes])
        sums = F.normalize(members.to(texts.dtype) @ word_texts, dim=-1)
        return (
            contrastive_loss(images, whole_texts, whole_index, scale)
            + contrastive_loss(images, part_texts, part_index, scale)
            + self._schedule.additivity * (1 - (whole_texts * sums).sum(dim=1)).mean()
        )

    def _visible_words(self, label: int, hidden: str | None) -> list[str]:
        words = self._words[label]
        if hidden is None or len(words) != 3:
            return words
        return [word for index, word in enumerate(words) if index != _WORD_OF[hidden]]

    def _encode(self, phrases: Sequence[tuple[str, ...]]) -> Tensor:
        captions = [self._caption(phrase) for phrase in phrases]
        return F.normalize(encode_tokens(self._model, self._tokenizer(captions)), dim=-1)

    def _caption(self, words: tuple[str, ...]) -> str:
        """Use the sentences of run time for phrases with a noun, "a ... thing" for the others."""
        templates = lvis_templates() if words[-1] in self._nouns else _WORD_TEMPLATES
        return templates[self._rng.integers(len(templates))].format(" ".join(words))


def _distinct(phrases: list[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], Tensor]:
    """Return the different phrases, sorted, and the position (N,) of each phrase among them."""
    distinct = sorted(set(phrases))
    position = {phrase: index for index, phrase in enumerate(distinct)}
    return distinct, torch.tensor([position[phrase] for phrase in phrases])


def _draw_hidden(schedule: ClipSchedule, rng: np.random.Generator) -> str | None:
    draw = rng.random()
    if draw < schedule.hide_colour:
        return "colour"
    return "shape" if draw < schedule.hide_colour + schedule.hide_shape else None


def _batches(
    count: int, epochs: int, batch_size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    for _ in range(epochs):
        yield from torch.randperm(count, generator=generator).split(batch_size)


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Decay matrices of layers; spare vectors, positions and the token table."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        groups[parameter.ndim >= 2 and "embedding" not in name].append(parameter)
    return [
        {"params": groups[True], "weight_decay": weight_decay},
        {"params": groups[False], "weight_decay": 0.0},
    ]


def _lr_factor(step: int, steps: int) -> float:
    warmup = max(1, steps // 20)
    if step < warmup:
        return (step + 1) / warmup
    return (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2
