"""What the switches of ``vovtrack train`` and ``vovtrack test`` change in a config."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.config import Config

import vovtrack.engine.parts  # noqa: F401  registers the hooks that switches add, and metrics
from vovtrack.engine.options import constructor_arguments
from vovtrack.engine.weights.checkpoint import latest_checkpoint, read_checkpoint
from vovtrack.errors import InputError, one_of
from vovtrack.evaluation.metrics.video_files import VideoFilesMetric
from vovtrack.registry import METRICS

TOP_CLASSES = 5
"""Class probabilities that observations keep of each detection, where the config does not say."""
VALIDATING = {
    *("evaluation.interval", "train_cfg.val_interval"),
    *("evaluation.save_best", "default_hooks.checkpoint.save_best"),
}
"""Options that mean nothing where no epoch is validated."""
LOGS = {"tensorboard": "TensorboardVisBackend", "wandb": "WandbVisBackend"}
"""Where scalars may go beside the log files, and mmengine's name for it; the package has ours."""


def mix_precision(cfg: Config, precision: Literal[True, "bf16", "fp16"]) -> None:
    """Let training compute in half precision where that is safe.

    Args:
        cfg: Is changed.
        precision: ``bf16``; ``fp16``, whose losses are scaled, on a GPU; True for float16 on a GPU
            and bfloat16 on a CPU.

    Raises:
        InputError: Another name, or float16 on a CPU.
    """
    on_gpu = torch.cuda.is_available()
    if precision is True:
        precision = "fp16" if on_gpu else "bf16"
    one_of("amp", precision, ("bf16", "fp16"))
    if precision == "bf16":
        cfg.optim_wrapper.type = "BFloat16OptimWrapper"
        return
    if not on_gpu:
        raise InputError("--amp fp16 needs a GPU; on a CPU give --amp bf16.")
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.setdefault("loss_scale", "dynamic")


def pin_batches(cfg: Config) -> None:
    """Let batches lie where a GPU, if there is one, fetches them while the CPU works on."""
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        if cfg.get(name) is not None and torch.cuda.is_available():
            cfg[name].setdefault("pin_memory", True)


def continue_run(cfg: Config) -> None:
    """Resume from the work directory's last whole checkpoint, else start as the config says.

    The runner itself would resume from ``load_from``, which names the weights to start with.
    """
    latest = latest_checkpoint(cfg.work_dir)
    cfg.resume = latest is not None
    if latest is not None:
        cfg.load_from = str(latest)


def continue_from(cfg: Config, checkpoint: Path) -> None:
    """Continue the run of a checkpoint that the user named.

    Raises:
        InputError: It is missing, or holds weights without the state of a run.
    """
    if not checkpoint.is_file():
        raise InputError(f"Checkpoint '{checkpoint}' does not exist, so no run can continue.")
    content = read_checkpoint(checkpoint)
    if not isinstance(content, Mapping) or not {"optimizer", "message_hub"} <= content.keys():
        raise InputError(
            f"Checkpoint '{checkpoint}' holds weights and no state of a run: start with them by "
            f"--cfg-options load_from={checkpoint}."
        )
    cfg.resume, cfg.load_from = True, str(checkpoint)


def settle_validation(cfg: Config, cfg_options: Sequence[str] = ()) -> None:
    """Prepare validation during training; where no epoch is validated, leave it out.

    What is left out needs no data on disk. Results lie in the work directory, where the config
    names no other place.

    Raises:
        InputError: An option is about validation, and no epoch is validated.
    """
    if cfg.get("val_cfg") is None or cfg.train_cfg.get("max_epochs") is None:
        return
    begin, last = cfg.train_cfg.get("val_begin", 1), cfg.train_cfg.max_epochs
    if begin <= last:
        for evaluator in evaluators(cfg, "val"):
            if "out_dir" in constructor_arguments(evaluator.get("type")):
                evaluator.setdefault("out_dir", f"{cfg.work_dir}/validation")
        return
    names = (option.partition("=")[0].strip() for option in cfg_options)
    asked = next((name for name in names if name in VALIDATING), None)
    if asked is not None:
        raise InputError(
            f"Option '{asked}': validation begins with epoch {begin} (train_cfg.val_begin) and "
            f"training ends with epoch {last}; say when to begin, for example evaluation.start=1."
        )
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None


def evaluators(cfg: Config, split: str = "test") -> list[Any]:
    """The evaluators of a split, of which a config may name one or several."""
    named = cfg[f"{split}_evaluator"]
    return list(named) if isinstance(named, (list, tuple)) else [named]


def choose_evaluation(cfg: Config, wanted: list[str]) -> None:
    """Let a test judge ``track``, ``bbox``, ``segm`` or what else its metrics declare.

    A metric says in ``judges`` what it can judge; of several, it takes those wanted as
    ``iou_types``. Where those of the test cannot, the config may name others: ``evaluators =
    dict(bbox=dict(type=...))``.

    Raises:
        InputError: None of them can.
    """
    named, others = evaluators(cfg), cfg.get("evaluators") or {}
    able = [e for e in named if set(wanted) <= set(_declared(e, "judges", ()))]
    for evaluator in able:
        if len(_declared(evaluator, "judges", ())) > 1:
            evaluator.iou_types = tuple(wanted)
    if not able and set(wanted) <= set(others):
        cfg.test_evaluator = [others[name] for name in wanted]
    elif not able:
        raise InputError(
            f"--eval {' '.join(wanted)}: this config evaluates by "
            f"{', '.join(str(e.get('type')) for e in named)}, and its 'evaluators' name "
            f"{'only ' + ', '.join(others) if others else 'no others'}."
        )


def keep_observations(cfg: Config, folder: str | Path) -> None:
    """Let the model keep what its tracker is given, and a further evaluator write it down.

    A metric of tracks names this evaluator as its ``recorder``.

    Raises:
        InputError: No metric of the test has one.
    """
    named = evaluators(cfg)
    tracks = next((e for e in named if _declared(e, "recorder", None)), None)
    if tracks is None:
        raise InputError("--observations needs a config that tests a tracker on videos.")
    cfg.model.setdefault("keep_observations", TOP_CLASSES)
    cfg.test_evaluator = [
        *named,
        dict(
            type=_declared(tracks, "recorder", None),
            ann_file=tracks.ann_file,
            vocabulary=tracks.vocabulary,
            out_dir=str(folder),
            **_replayed(tracks),
        ),
    ]


def _replayed(evaluator: Config) -> dict[str, Any]:
    """What a replay needs of an evaluator of files of tracks; nothing of one of TAO."""
    if not issubclass(METRICS.get(evaluator.type), VideoFilesMetric):
        return {}
    named = ("type", "reader", "benchmark")
    return dict(evaluator={key: evaluator.to_dict()[key] for key in named if key in evaluator})


def _declared(evaluator: Mapping[str, Any], name: str, default: Any) -> Any:
    """What the class of an evaluator says of itself."""
    return getattr(METRICS.get(str(evaluator.get("type"))), name, default)


def log_to(cfg: Config, names: Sequence[str]) -> None:
    """Send losses and metrics to some of ``LOGS`` too.

    Raises:
        InputError: A package is not installed.
    """
    if not names:
        return
    visualizer = cfg.get("visualizer") or dict(
        type="Visualizer", vis_backends=[dict(type="LocalVisBackend")]
    )
    backends = list(visualizer.get("vis_backends") or ())
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise InputError(
                f"--log {name}: the package '{name}' is not installed. Type "
                f"pip install 'vovtrack[{name}]', or leave the switch out."
            )
        if LOGS[name] not in [backend["type"] for backend in backends]:
            backends.append(dict(type=LOGS[name]))
    cfg.visualizer = dict(visualizer, vis_backends=backends)


def show_results(cfg: Config, folder: str | Path, score_thr: float | None) -> None:
    """Draw what the model finds in every image of a test.

    Args:
        cfg: Is changed.
        folder: Gets the pictures, in folders and names of the images.
        score_thr: Leave out objects with smaller scores; None takes the model's own threshold.
    """
    add_hook(cfg, type="DrawResultsHook", out_dir=str(folder), score_thr=score_thr)


def add_hook(cfg: Config, **hook: Any) -> None:
    """Let a run call a hook, given by its config, after those that it has."""
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or ()), hook]


def augment_test(cfg: Config) -> None:
    """Let a detector see each image in several sizes, also mirrored, and merge the boxes.

    The sizes are those of the config's ``tta``: factors of the size of the test pipeline.

    Raises:
        InputError: The config tests a tracker, evaluates masks, or resizes images in another way.
    """
    if "tracker" in cfg.model:
        raise InputError("--tta merges the boxes of a detector; this config tests a tracker.")
    if any("segm" in evaluator.get("iou_types", ()) for evaluator in evaluators(cfg)):
        raise InputError("--tta merges boxes and no masks: add --eval bbox.")
    pipeline = list(cfg.test_dataloader.dataset.pipeline)
    places = [i for i, step in enumerate(pipeline) if step["type"] == "Resize" and "scale" in step]
    if len(places) != 1 or cfg.get("tta") is None:
        raise InputError("--tta needs 'tta' in the config, and one Resize in the test pipeline.")
    resize = pipeline[places[0]]
    sizes = [
        dict(resize, scale=tuple(round(side * factor) for side in resize["scale"]))
        for factor in cfg.tta.size_factors
    ]
    mirrors = [dict(type="RandomFlip", prob=p) for p in (0.0, 1.0)[: 1 + cfg.tta.mirror]]
    views = [sizes, mirrors, *([step] for step in pipeline[places[0] + 1 :])]
    cfg.test_dataloader.dataset.pipeline = [
        *pipeline[: places[0]],
        dict(type="TestTimeAug", transforms=views),
    ]
    settings = cfg.model.test_cfg.rcnn
    cfg.model = dict(
        type="BoxTTAModel",
        module=cfg.model,
        tta_cfg=dict(nms=settings.nms, max_per_img=settings.max_per_img),
    )
