"""Prompt learning from a config: one run per IoU bin, then the ensemble."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device

from detpro.prompts.ensemble import encode_names, load_context, save_embeds
from vovtrack.engine import run as launch
from vovtrack.engine.weights.checkpoint import latest_checkpoint
from vovtrack.errors import InputError
from vovtrack.registry import MODELS
from vovtrack.structures import Vocabulary

ENSEMBLE = "iou_neg5_ens"
"""Name of the released file: IoU bins, background below 0.5, ensemble."""


def train_bins(
    config: str | Path, work_dir: str | Path, seed: int | None = None, **options
) -> Path:
    """Learn a context for every bin of a config and put their class embeddings together.

    A bin that was finished before is not trained again, an interrupted one resumes.

    Args:
        config: Config with ``iou_bins`` and a ``PromptLearner``.
        work_dir: Folder; each bin gets one inside.
        seed: Of the initial contexts, the draw of background and the order of batches.
        **options: Of :func:`vovtrack.engine.run.train`: ``cfg_options``, ``trust_config``.

    Returns:
        The class embeddings, ``iou_neg5_ens.pth``; beside it ``.safetensors`` with names.

    Raises:
        InputError: A config of something else, or unusable data.
    """
    cfg = launch.load_config(config, trust_config=options.get("trust_config", False))
    if cfg.get("iou_bins") is None or cfg.model.get("type") != "PromptLearner":
        raise InputError(f"Config '{config}' trains no prompts (no iou_bins, no PromptLearner).")
    cfg_options = list(options.pop("cfg_options", ()))
    contexts = []
    for low, high in cfg.iou_bins:
        folder = Path(work_dir) / f"bin_{low}_{high}"
        bounds = f"train_dataloader.dataset.iou_range=({low},{high})"
        launch.train(
            config, work_dir=folder, resume=True, seed=seed, cfg_options=[*cfg_options, bounds],
            **options,
        )  # fmt: skip
        checkpoint = latest_checkpoint(folder)
        if checkpoint is None:
            raise InputError(f"Training left no checkpoint in '{folder}': keep the CheckpointHook.")
        contexts.append(load_context(checkpoint))
    return _export(cfg, contexts, Path(work_dir))


def _export(cfg: Config, contexts: list, work_dir: Path) -> Path:
    model = cfg.model
    vocabulary = Vocabulary.load(model.vocabulary)
    embeds = encode_names(
        contexts,
        MODELS.build(model.clip).to(get_device()),
        vocabulary.names,
        model.get("position", "end"),
        model.get("clean", True),
    )
    path = work_dir / f"{ENSEMBLE}.pth"
    save_embeds(path, embeds, vocabulary.names)
    save_embeds(path.with_suffix(".safetensors"), embeds, vocabulary.names)
    return path
