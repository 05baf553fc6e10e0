"""Training of the mini world's CLIP on crops of rendered scenes and captions of their names."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

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
from vovtrack.synthetic.mini_clip.captions import Captions
from vovtrack.synthetic.mini_clip.crops import Crops, render_crops
from vovtrack.synthetic.mini_clip.reading import state_auc, zero_shot_accuracy
from vovtrack.synthetic.mini_clip.views import augment

if TYPE_CHECKING:
    import open_clip

VALIDATION_SEED = 1_000_000
"""Seed of the validation scenes; training seeds stay below it."""
VALIDATION_NOVEL_SHARE = 0.4
_MAX_SCALE = math.log(50)

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class ClipSchedule:
    """How the mini CLIP is trained.

    Attributes:
        scenes: Rendered scenes, of about 13 crops each.
        val_scenes: Rendered scenes of the test, with novel classes.
        epochs: Passes over the crops.
        batch_size: Crops per step.
        lr: Peak learning rate; linear warm-up over 5 % of the steps, then cosine to zero.
        weight_decay: Decoupled weight decay of matrices (not of biases, norms and embeddings).
        cut_out: Part of the training during which objects are shown cut out of their surroundings:
            all at the start, none at its end. Shapes are learnt sooner so.
        true_colours: Share of the crops that keep their hues and teach colours; the others teach
            patterns and shapes, see `Captions.image_loss`.
        text_steps: Steps of the text tower, of half as many class names as crops in a batch.
        text_lr: Its peak learning rate.
    """

    scenes: int = 1600
    val_scenes: int = 300
    epochs: int = 24
    batch_size: int = 128
    lr: float = 3e-3
    weight_decay: float = 0.05
    cut_out: float = 0.5
    true_colours: float = 0.25
    text_steps: int = 1000
    text_lr: float = 2e-3


def train_mini_clip(
    out_path: str | Path,
    config: str | Path = "configs/mini/clip_mini.json",
    schedule: ClipSchedule | None = None,
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict:
    """Render crops, train a CLIP on those of base classes, test it on others and write it.

    Args:
        out_path: Weight file to write (.safetensors, half precision); the returned facts are its
            metadata, as JSON under the key "vovtrack".
        config: open_clip model config file.
        schedule: Default: `ClipSchedule`.
        seed: Seed of scenes, weights, order, captions and augmentation; below `VALIDATION_SEED`.
        workers: Processes that render.
        progress: Called after every step with (step, number of steps, loss).

    Returns:
        Facts: "zero_shot" (see `zero_shot_accuracy`) and "states" (see `state_auc`) on the
        validation scenes, numbers of crops, seed, schedule, and SHA-256 of the config.

    Raises:
        InputError: The config is missing or malformed, the seed is out of range, or ``out_path``
            does not end in .safetensors.
    """
    if Path(out_path).suffix != ".safetensors":
        raise InputError(f"the weight file {out_path} must end in .safetensors; rename it")
    if not 0 <= seed < VALIDATION_SEED:
        raise InputError(f"the seed must be from 0 to {VALIDATION_SEED - 1}, not {seed}")
    schedule = schedule or ClipSchedule()
    config_hash = file_sha256(config)
    train = render_crops(seed, schedule.scenes, workers=workers)
    model = train_clip(train, config, schedule, seed, progress)
    val = render_crops(
        VALIDATION_SEED, schedule.val_scenes, VALIDATION_NOVEL_SHARE, workers=workers
    )
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "clip.safetensors"
        write_weights(model, trial)
        named = ClipEncoder(str(config), str(trial), cache_dir=None)
        plain = ClipEncoder(str(config), str(trial), templates="name", cache_dir=None)
        zero_shot, states = zero_shot_accuracy(named, val), state_auc(plain, val)
    facts = {
        "zero_shot": zero_shot,
        "states": states,
        "logit_scale": float(model.state_dict()["logit_scale"].exp()),
        "train_crops": len(train.labels),
        "val_crops": len(val.labels),
        "seed": seed,
        "schedule": asdict(schedule),
        "config_sha256": config_hash,
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
    labels = crops.labels.unique()
    if len(labels) < 2:
        raise InputError("training a CLIP needs crops of at least two classes; render more scenes")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, tokenizer = build_clip(config)
    dims = model.text_projection.shape[1]
    captions = Captions(crops.names, labels.tolist(), dims, seed)
    _train_text(model, tokenizer, captions, schedule)
    _train_images(model, captions, crops, schedule, seed, progress)
    return model.eval()


def _train_text(
    model: open_clip.CLIP, tokenizer: Tokenizer, captions: Captions, schedule: ClipSchedule
) -> None:
    """Draw the embeddings of sentences towards the sums of the directions of their words."""
    text = [p for name, p in model.named_parameters() if not name.startswith("visual.")]
    optimizer, scheduler = _optimizer(text, schedule.text_lr, 0.0, schedule.text_steps)
    for _ in range(schedule.text_steps):
        sentences, targets = captions.draw(schedule.batch_size // 2)
        embeds = F.normalize(encode_tokens(model, tokenizer(sentences)), dim=-1)
        optimizer.zero_grad()
        (1 - (embeds * targets).sum(dim=1)).mean().backward()
        optimizer.step()
        scheduler.step()


def _train_images(
    model: open_clip.CLIP,
    captions: Captions,
    crops: Crops,
    schedule: ClipSchedule,
    seed: int,
    progress: Progress | None,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    size = image_side(model)
    steps = schedule.epochs * math.ceil(len(crops.labels) / schedule.batch_size)
    parameters = [*model.visual.parameters(), model.logit_scale]
    optimizer, scheduler = _optimizer(parameters, schedule.lr, schedule.weight_decay, steps)
    model.train().visual.to(memory_format=torch.channels_last)
    batches = _batches(len(crops.labels), schedule.epochs, schedule.batch_size, generator)
    for step, batch in enumerate(batches, start=1):
        cut_out = max(0.0, 1 - step / (schedule.cut_out * steps)) if schedule.cut_out else 0.0
        true_colours = max(1, round(schedule.true_colours * len(batch)))
        inputs = augment(crops.images[batch], size, generator, cut_out, true_colours)
        with torch.autocast("cpu", torch.bfloat16):  # twice as fast
            embeds = model.encode_image(inputs.contiguous(memory_format=torch.channels_last))
        embeds = F.normalize(embeds.float(), dim=-1)
        scale = model.logit_scale.exp()
        loss = captions.image_loss(
            embeds, crops.labels[batch], crops.states[batch], scale, true_colours
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=_MAX_SCALE)
        if progress is not None:
            progress(step, steps, float(loss.detach()))


def _optimizer(
    parameters: Sequence[nn.Parameter], lr: float, weight_decay: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Decay matrices, spare vectors; warm the rate up over 5 % of the steps, then cool it."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_lr_factor, steps=steps))


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


def _batches(
    count: int, epochs: int, batch_size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    for _ in range(epochs):
        yield from torch.randperm(count, generator=generator).split(batch_size)


def _lr_factor(step: int, steps: int) -> float:
    warmup = max(1, steps // 20)
    if step < warmup:
        return (step + 1) / warmup
    return (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2
