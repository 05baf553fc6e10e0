"""What runner, schedule, data and evaluation options of mmdet 2.x configs are today."""

from __future__ import annotations

import os
from functools import partial

from mmengine.config import Config

from vovtrack.engine.old_options import OldOptions, Pair, Translator, boolean, declare, literal
from vovtrack.errors import InputError

SPLITS = ("train", "val", "test")
PARSED = (
    "was read only while the config file was parsed, setting it would change nothing; 'vovtrack "
    "inspect config CONFIG --keys' shows the keys that act"
)
PIPELINE = (
    "transforms have other names and places today; 'vovtrack inspect config CONFIG --keys' shows "
    "them under train_dataloader, val_dataloader and test_dataloader, and each can be set"
)
GPUS = (
    "GPUs are counted behind the config of tools/dist_train.sh; CUDA_VISIBLE_DEVICES chooses them"
)
VALIDATION = "validation during training (val_cfg, val_dataloader, val_evaluator)"
AMP = "mixed precision is the switch --amp"


def _path(*targets: str) -> Translator:
    """Keys that take a path: typed from the working directory, today's datasets have a root."""
    return lambda config, key, text: [(target, os.path.abspath(text)) for target in targets]


def _scheduler(kind: str, name: str, config: Config, key: str, text: str) -> list[Pair]:
    """An argument of the scheduler of a kind, wherever it stands in the list."""
    for index, scheduler in enumerate(config.get("param_scheduler") or ()):
        if scheduler["type"] == kind:
            return [(f"param_scheduler.{index}.{name}", text)]
    raise InputError(
        f"Option '{key}={text}': the param_scheduler of this config has no {kind}; set "
        "param_scheduler as a whole."
    )


def _warmup_iters(config: Config, key: str, text: str) -> list[Pair]:
    # LinearLR reaches its end one iteration earlier than mmcv's warm-up.
    end = str(literal(text) + 1) if isinstance(literal(text), int) else text
    return _scheduler("LinearLR", "end", config, key, end)


def _one_choice(kind: str, choice: str, config: Config, key: str, text: str) -> list[Pair]:
    """A choice that the config has made if it has a scheduler of the kind."""
    present = any(s["type"] == kind for s in config.get("param_scheduler") or ())
    if text == choice and present:
        return []
    raise InputError(
        f"Option '{key}={text}': the schedule is the list param_scheduler; set it as a whole, for "
        "example param_scheduler=\"[{'type': 'MultiStepLR', 'milestones': [8, 11]}]\"."
    )


def _clip_grad(config: Config, key: str, text: str) -> list[Pair]:
    present = config.get("optim_wrapper", {}).get("clip_grad") or {}
    name = key.rpartition(".")[2]
    return [("optim_wrapper.clip_grad", repr({**present, name: literal(text)}))]


def _tao_metric(split: str, config: Config, key: str, text: str) -> list[Pair]:
    return [(f"{split}_evaluator.benchmarks", "['tao']" if boolean(key, text) else "['tao-ov']")]


def _vote(split: str, config: Config, key: str, text: str) -> list[Pair]:
    return [(f"{split}_evaluator.category_vote", "count" if boolean(key, text) else "None")]


def _out_dir(split: str, config: Config, key: str, text: str) -> list[Pair]:
    return [(f"{split}_evaluator.out_dir", text)]


def _metric(split: str, config: Config, key: str, text: str) -> list[Pair]:
    """What to evaluate: chosen by detection metrics, settled by those of tracks."""
    names = literal(text) if isinstance(literal(text), (list, tuple)) else [text]
    evaluator = config.get(f"{split}_evaluator") or {}
    if "iou_types" in evaluator and set(names) <= {"bbox", "segm"}:
        return [(f"{split}_evaluator.iou_types", repr(tuple(names)))]
    if list(names) == ["track"] and "iou_types" not in evaluator:
        return []
    raise InputError(
        f"Option '{key}={text}': say what to evaluate by 'vovtrack test --eval', and what during "
        "training by the type of val_evaluator."
    )


def _in_report(split: str, config: Config, key: str, text: str) -> list[Pair]:
    raise InputError(
        f"Option '{key}={text}': the report in the evaluator's out_dir holds every class and "
        "threshold, and 'vovtrack evaluate --all-metrics' prints them; leave the option out."
    )


EVALUATION = dict(
    resfile_path=_out_dir,
    jsonfile_prefix=_out_dir,
    use_tao_metric=_tao_metric,
    tcc=_vote,
    metric=_metric,
    **dict.fromkeys(
        ("classwise", "proposal_nums", "iou_thrs", "iou_thr", "metric_items", "logger"), _in_report
    ),
)
"""Arguments of evaluation whose name or value changed."""


def _in_training(config: Config, key: str, text: str) -> list[Pair]:
    """Arguments of evaluation, which training and testing shared."""
    name = key.removeprefix("evaluation.")
    pairs: list[Pair] = []
    for split in ("val", "test"):
        if config.get(f"{split}_evaluator") is not None and name in EVALUATION:
            pairs += EVALUATION[name](split, config, key, text)
        elif config.get(f"{split}_evaluator") is not None:
            pairs.append((f"{split}_evaluator.{name}", text))
    return pairs


def _init_cfg(config: Config, key: str, text: str) -> list[Pair]:
    """Weights of a backbone by name, as one value."""
    if literal(text) is None:
        return [("model.backbone.init_cfg", "None")]
    return [("model.backbone.init_cfg", repr(dict(type="Pretrained", checkpoint=text)))]


RPN = {"nms_post": "max_per_img", "max_num": "max_per_img", "nms_thr": "nms.iou_threshold"}

declare(
    OldOptions(
        renamed={
            "total_epochs": ("train_cfg.max_epochs",),
            "runner.max_epochs": ("train_cfg.max_epochs",),
            "evaluation.start": ("train_cfg.val_begin",),
            "evaluation.interval": ("train_cfg.val_interval",),
            "evaluation.dynamic_intervals": ("train_cfg.dynamic_intervals",),
            "evaluation.save_best": ("default_hooks.checkpoint.save_best",),
            "evaluation.rule": ("default_hooks.checkpoint.rule",),
            "checkpoint_config.": ("default_hooks.checkpoint.",),
            "log_config.interval": ("default_hooks.logger.interval",),
            "optimizer": ("optim_wrapper.optimizer",),
            "optimizer.": ("optim_wrapper.optimizer.",),
            "optimizer.paramwise_cfg": ("optim_wrapper.paramwise_cfg",),
            "optimizer.paramwise_cfg.": ("optim_wrapper.paramwise_cfg.",),
            "optimizer_config.grad_clip": ("optim_wrapper.clip_grad",),
            "optimizer_config.cumulative_iters": ("optim_wrapper.accumulative_counts",),
            "dist_params.": ("env_cfg.dist_cfg.",),
            "cudnn_benchmark": ("env_cfg.cudnn_benchmark",),
            "mp_start_method": ("env_cfg.mp_cfg.mp_start_method",),
            "opencv_num_threads": ("env_cfg.mp_cfg.opencv_num_threads",),
            "seed": ("randomness.seed",),
            "deterministic": ("randomness.deterministic",),
            "data.samples_per_gpu": ("train_dataloader.batch_size",),
            "data.workers_per_gpu": tuple(f"{s}_dataloader.num_workers" for s in SPLITS),
            "data.persistent_workers": tuple(f"{s}_dataloader.persistent_workers" for s in SPLITS),
            **{f"data.{s}.": (f"{s}_dataloader.dataset.",) for s in SPLITS},
            **{f"data.{s}_dataloader.": (f"{s}_dataloader.",) for s in SPLITS},
            **{
                f"data.{s}{loader}.samples_per_gpu": (f"{s}_dataloader.batch_size",)
                for s in SPLITS
                for loader in ("", "_dataloader")
            },
            **{f"data.{s}_dataloader.workers_per_gpu": (f"{s}_dataloader.num_workers",)
               for s in SPLITS},
            **{
                f"{phase}_cfg.{part}.": (f"model.{phase}_cfg.{part}.",)
                for phase in ("train", "test")
                for part in ("rpn", "rpn_proposal", "rcnn")
            },
            **{
                f"{model}{part}.{old}": (f"model.{part}.{new}",)
                for model in ("", "model.")
                for part in ("train_cfg.rpn_proposal", "test_cfg.rpn")
                for old, new in RPN.items()
            },
        },
        translated={
            **{f"data.{s}.ann_file": _path(f"{s}_dataloader.dataset.ann_file",
                                           f"{s}_evaluator.ann_file") for s in ("val", "test")},
            "data.train.ann_file": _path("train_dataloader.dataset.ann_file"),
            **{f"data.{s}.img_prefix": _path(f"{s}_dataloader.dataset.data_prefix.img")
               for s in SPLITS},
            **{f"{s}_evaluator.{name}": partial(change, s) for s in ("val", "test")
               for name, change in EVALUATION.items()},
            "evaluation.": _in_training,
            "optimizer_config.grad_clip.": _clip_grad,
            "lr_config.policy": partial(_one_choice, "MultiStepLR", "step"),
            "lr_config.warmup": partial(_one_choice, "LinearLR", "linear"),
            "lr_config.step": partial(_scheduler, "MultiStepLR", "milestones"),
            "lr_config.gamma": partial(_scheduler, "MultiStepLR", "gamma"),
            "lr_config.warmup_ratio": partial(_scheduler, "LinearLR", "start_factor"),
            "lr_config.warmup_iters": _warmup_iters,
            "model.pretrained": _init_cfg,
            "model.backbone.init_cfg.checkpoint": _init_cfg,
        },
        settled={
            "runner.type": ("EpochBasedRunner", "training goes by epochs"),
            "workflow": ([("train", 1)], "validation during training is train_cfg.val_interval"),
            "evaluation.by_epoch": (True, "validation goes by epochs"),
            "lr_config.by_epoch": (True, "each entry of param_scheduler has its own by_epoch"),
            "checkpoint_config.create_symlink": (
                False, "the file last_checkpoint in the work directory names the newest one",
            ),
            "model.backbone.init_cfg.type": (
                "Pretrained", "the weights to start with are load_from",
            ),
            **{f"{model}{part}.nms_across_levels": (False, "boxes compete inside their level")
               for model in ("", "model.") for part in ("train_cfg.rpn_proposal", "test_cfg.rpn")},
            **{f"{model}train_cfg.{part}.debug": (False, "there is no such mode")
               for model in ("", "model.") for part in ("rpn", "rcnn")},
        },
        gone={
            "optimizer_config.": f"gradients are optim_wrapper.clip_grad, and {AMP}",
            "fp16": AMP,
            "fp16.": AMP,
            "lr_config.": "the schedule is the list param_scheduler: set its entries by number",
            "log_config.": "TensorBoard and Weights & Biases are the switch --log",
            "gpu_ids": GPUS,
            "gpus": GPUS,
            **{f"data.{s}.pipeline": PIPELINE for s in SPLITS},
            **{f"data.{s}.pipeline.": PIPELINE for s in SPLITS},
            **{f"data.{s}.type": "the dataset's class is settled by the config; choose another "
               "config, or set the dataset as a whole" for s in SPLITS},
            **{f"data.{s}.classes": "classes are the vocabulary: vocabulary=NAME, FILE or list"
               for s in SPLITS},
            **{name: PARSED for name in ("dataset_type", "data_root", "img_norm_cfg.", "img_scale",
               "train_pipeline.", "test_pipeline.")},
        },
        parts={
            **{f"train_cfg.{name}": ("val_cfg", VALIDATION)
               for name in ("val_begin", "val_interval", "dynamic_intervals")},
            "val_dataloader.": ("val_dataloader", VALIDATION),
            "val_evaluator.": ("val_evaluator", VALIDATION),
        },
    )
)  # fmt: skip
