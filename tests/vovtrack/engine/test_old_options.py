"""Options of the original configs: translated to what acts today, or refused with a hint."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.places import ROOT
from vovtrack.engine.configs import read_config
from vovtrack.engine.options import apply_options, constructor_arguments
from vovtrack.errors import InputError

ORIGINAL = json.loads((ROOT / "tests/data/original_options.json").read_text())
STAGE1 = "configs/lvis/detpro_ens_20e.py"
STAGE2 = "configs/lvis/detpro_ens_20e_part_batch_prompt_reverse.py"
STAGE3 = "configs/ovtrack-teta/ovtrack_r50_reverse_without_inference.py"
MINI = "configs/mini/detector.py"
STAGE4 = next(name for name in ORIGINAL if "adding_spatial" in name)
STATES = STAGE4.replace(".py", "_states.py")
HEAD = "model.roi_head"
INNER = "model.detector.roi_head"
"""The head of a tracker's detector."""

DIFFERENT = {
    "model.pretrained": "the weights to start with are load_from",
    "model.backbone.init_cfg.checkpoint": "the weights to start with are load_from",
    "load_from": "another place, or given by the command line",
    "find_unused_parameters": "needed by the original alone",
    "evaluation.resfile_path": "results lie in another folder",
    "data.workers_per_gpu": "one number for training and testing then",
    "model.roi_head.mask_head.num_classes": "masks do not depend on the class",
    "model.roi_head.self_train_rcnn.score_thr": "written out what uniform_factor says",
    "model.train_cfg.embed.sampler.pos_sampler.type": "the same rule in fewer steps",
    "model.rpn_head.type": "the same proposals in fewer steps",
    "model.rpn_head.bbox_coder.type": "the same boxes in fewer steps",
    "model.roi_head.bbox_head.bbox_coder.type": "the same boxes in fewer steps",
    "model.tracker.init_score_thr": "no detection is below; the score rule says so",
    "model.tracker.obj_score_thr": "no detection is below; the score rule says so",
    "model.roi_head.bbox_roi_extractor.type": "pools in float32, otherwise equal",
    "model.roi_head.mask_roi_extractor.type": "pools in float32, otherwise equal",
}
"""Original values that are not those of the config of the same name, and why."""


@cache
def loaded(name: str) -> Config:
    return read_config(ROOT / name)


def config(name: str) -> Config:
    return copy.deepcopy(loaded(name))


def changes(before: object, after: object, prefix: str = "") -> Iterator[tuple]:
    """Dotted key, parent, old and new value of all leaves that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            old, new = before.get(key), after.get(key)
            if isinstance(old, (dict, list)) and isinstance(new, (dict, list)):
                yield from changes(old, new, f"{prefix}{key}.")
            elif old != new:
                yield f"{prefix}{key}", after, old, new
    elif before != after:
        yield prefix.rstrip("."), after, before, after


def as_typed(value: object) -> str:
    """The text by which a value is compared: tuples like lists, paths by their end."""
    if isinstance(value, (list, tuple)):
        return str([as_typed(item) for item in value])
    return str(value).removeprefix(f"{Path.cwd()}/").rstrip("/")


def is_the_same(key: str, text: str, change: tuple) -> bool:
    """Whether a change says what the config said before, in other words."""
    name, parent, old, new = change
    if key in DIFFERENT or name.endswith("norm_cfg.type"):
        return True
    if key.startswith("data.") and key.endswith(("ann_file", "img_prefix")):
        ends = [as_typed(old), as_typed(new)]
        return all(isinstance(v, list) for v in (old, new)) or ends[1].endswith(ends[0])
    argument = constructor_arguments(parent.get("type")).get(name.rpartition(".")[2])
    return old is None and argument is not None and as_typed(argument.default) == as_typed(new)


@pytest.mark.parametrize("name", ORIGINAL, ids=["stage1", "stage2", "stage3", "stage4"])
def test_every_original_option_is_answered_and_its_value_is_what_the_config_says(name, repository):
    base = loaded(name)
    unanswered, different, refused = [], [], 0
    for key, text in ORIGINAL[name].items():
        cfg = copy.deepcopy(base)
        try:
            apply_options(cfg, [f"{key}={text}"])
        except InputError as error:
            refused += 1
            if not str(error).startswith("Option '"):
                unanswered.append(str(error))
            continue
        different += [
            (key, text, change[0], change[2])
            for change in changes(base.to_dict(), cfg.to_dict())
            if not is_the_same(key, text, change)
        ]
    assert not unanswered
    assert not different
    assert refused < len(ORIGINAL[name]) / 2, "most options are translated"


@pytest.mark.parametrize(
    ("name", "option", "expected"),
    [
        (STAGE1, "total_epochs=3", {"train_cfg.max_epochs": 3}),
        (STAGE1, "runner.max_epochs=3", {"train_cfg.max_epochs": 3}),
        (STAGE1, "evaluation.interval=5", {"train_cfg.val_interval": 5}),
        (STAGE1, "evaluation.start=6", {"train_cfg.val_begin": 6}),
        (STAGE3, "evaluation.start=6", {"train_cfg.val_begin": 6}),
        (STAGE4, "evaluation.interval=2", {"train_cfg.val_interval": 2}),
        (STAGE1, "evaluation.save_best=auto", {"default_hooks.checkpoint.save_best": "auto"}),
        (STAGE1, "evaluation.metric=['bbox']", {
            "val_evaluator.iou_types": ("bbox",), "test_evaluator.iou_types": ("bbox",)}),
        (STAGE1, "checkpoint_config.interval=5", {"default_hooks.checkpoint.interval": 5}),
        (STAGE1, "checkpoint_config.max_keep_ckpts=-1", {
            "default_hooks.checkpoint.max_keep_ckpts": -1}),
        (STAGE1, "log_config.interval=10", {"default_hooks.logger.interval": 10}),
        (STAGE1, "optimizer.lr=0.1", {"optim_wrapper.optimizer.lr": 0.1}),
        (STAGE1, "optimizer.nesterov=True", {"optim_wrapper.optimizer.nesterov": True}),
        (STAGE1, "optimizer_config.grad_clip={'max_norm':35}", {
            "optim_wrapper.clip_grad": {"max_norm": 35}}),
        (STAGE1, "optimizer_config.grad_clip.max_norm=35", {
            "optim_wrapper.clip_grad": {"max_norm": 35}}),
        (STAGE1, "optimizer_config.cumulative_iters=4", {"optim_wrapper.accumulative_counts": 4}),
        (STAGE1, "lr_config.step=[12,18]", {"param_scheduler.1.milestones": [12, 18]}),
        (STAGE1, "lr_config.gamma=0.5", {"param_scheduler.1.gamma": 0.5}),
        (STAGE1, "lr_config.warmup_iters=1000", {"param_scheduler.0.end": 1001}),
        (STAGE1, "lr_config.warmup_ratio=0.1", {"param_scheduler.0.start_factor": 0.1}),
        (STAGE1, "dist_params.backend=gloo", {"env_cfg.dist_cfg.backend": "gloo"}),
        (STAGE1, "seed=5", {"randomness.seed": 5}),
        (STAGE1, "cudnn_benchmark=True", {"env_cfg.cudnn_benchmark": True}),
        (STAGE1, "resume_from=run/epoch_3.pth", {"resume_from": "run/epoch_3.pth"}),
        (STAGE1, "data.samples_per_gpu=1", {"train_dataloader.batch_size": 1}),
        (STAGE3, "data.workers_per_gpu=1", {
            "train_dataloader.num_workers": 1, "val_dataloader.num_workers": 1,
            "test_dataloader.num_workers": 1}),
        (STAGE1, "data.test.samples_per_gpu=4", {"test_dataloader.batch_size": 4}),
        (STAGE1, "data.test_dataloader.samples_per_gpu=4", {"test_dataloader.batch_size": 4}),
        (STAGE1, "data.train.oversample_thr=0.1", {"train_dataloader.dataset.oversample_thr": 0.1}),
        (STAGE1, "data.train.dataset.ann_file=/a.json", {
            "train_dataloader.dataset.dataset.ann_file": "/a.json"}),
        (STAGE1, "data.val.ann_file=/a.json", {
            "val_dataloader.dataset.ann_file": "/a.json", "val_evaluator.ann_file": "/a.json"}),
        (STAGE4, "data.test.ann_file=/a.json", {
            "test_dataloader.dataset.ann_file": "/a.json", "test_evaluator.ann_file": "/a.json"}),
        (STAGE1, "train_cfg.rcnn.sampler.num=256", {"model.train_cfg.rcnn.sampler.num": 256}),
        (STAGE1, "train_cfg.rpn_proposal.nms_thr=0.5", {
            "model.train_cfg.rpn_proposal.nms.iou_threshold": 0.5}),
        (STAGE1, "test_cfg.rpn.nms_post=300", {"model.test_cfg.rpn.max_per_img": 300}),
        (STAGE1, "test_cfg.rcnn.score_thr=0.01", {f"{HEAD}.score_rule.detect": 0.01}),
        (STAGE1, "model.test_cfg.rcnn.score_thr=0.01", {f"{HEAD}.score_rule.detect": 0.01}),
        (STAGE1, "model.pretrained=a.pth", {
            "model.backbone.init_cfg": {"type": "Pretrained", "checkpoint": "a.pth"}}),
        (STAGE1, "model.backbone.frozen_stages=1", {"model.backbone.frozen_stages": 1}),
        (STAGE1, "model.freeze_neck=True", {"model.freeze": ("neck",)}),
        (STAGE2, "model.freeze_fpn=False", {"model.freeze": ("backbone", "neck")}),
        (STAGE3, "model.freeze_detector=False", {"model.freeze": ()}),
        (STAGE1, f"{HEAD}.prompt_path=p.pth", {f"{HEAD}.classifier.text_bank": "p.pth"}),
        (STAGE1, f"{HEAD}.feature_path=bank", {
            "train_dataloader.dataset.dataset.pipeline.1.bank": "bank"}),
        (STAGE1, f"{HEAD}.load_feature=False", {
            "train_dataloader.dataset.dataset.pipeline.1.load_feature": False}),
        (STAGE1, f"{HEAD}.kd_weight=128", {f"{HEAD}.distillation.loss_weight": 128.0}),
        (STAGE2, f"{HEAD}.train_kd_loss=False", {f"{HEAD}.distillation": None}),
        (STAGE1, f"{HEAD}.fixed_lambda=0.6", {f"{HEAD}.fusion.fixed_text_weight": 0.6}),
        (STAGE1, f"{HEAD}.ensemble=False", {f"{HEAD}.fusion": None}),
        (STAGE4, f"{HEAD}.dynamic_rcnn_thre=False", {f"{INNER}.score_rule.uniform_factor": 0.0}),
        (STAGE1, f"{HEAD}.use_part_layer_to_extract_features=False", {f"{HEAD}.level_map": None}),
        (STAGE2, f"{HEAD}.use_part_layer_to_extract_features=True", {
            f"{HEAD}.level_map": {"reg": (0, 0, 1, 1), "cls": (2, 2, 3, 3)}}),
        (STAGE1, f"{HEAD}.bbox_roi_extractor.det_map_to_lvls=(1,2)", {
            f"{HEAD}.level_map.reg": (1, 1, 2, 2)}),
        (STAGE2, f"{HEAD}.level_low=0.3", {f"{HEAD}.state_attention.low": 0.3}),
        (STAGE2, f"{HEAD}.level_high=0.6", {f"{HEAD}.state_attention.high": 0.6}),
        (STAGE2, f"{HEAD}.prompt_group_list=[clear,blurred]", {
            f"{HEAD}.state_attention.pairs": [("clear", "blurred")]}),
        (STAGE2, f"{HEAD}.prompt_prob_level_calc=False", {
            f"{HEAD}.state_attention.low": 0.0, f"{HEAD}.state_attention.high": 1.0}),
        (STATES, f"{HEAD}.prob_alpha=0.9", {f"{INNER}.state_scoring.scale": 0.9}),
        (STATES, f"{HEAD}.two_stage_inference=True", {f"{INNER}.state_scoring.two_stage": True}),
        (STATES, f"{HEAD}.use_special_prompt_only_on_novel=True", {
            f"{INNER}.state_scoring.classes": "novel"}),
        (STATES, f"{HEAD}.use_special_prompt=False", {f"{INNER}.state_scoring": None}),
        (STAGE2, f"{HEAD}.prompt_prob_train=False", {f"{HEAD}.state_attention": None}),
        (STAGE2, f"{HEAD}.softmax_mode=True", {f"{HEAD}.state_attention.scope": "logits"}),
        (STAGE1, f"{HEAD}.bbox_head.ensemble=False", {f"{HEAD}.bbox_head.image_branch": False}),
        (STAGE1, f"{HEAD}.bbox_head.fc_out_channels=512", {
            f"{HEAD}.bbox_head.branch.hidden_dims": 512}),
        (STAGE3, "model.method=ovtrack-tao", {"model.tracker.mode": "ovtrack-tao"}),
        (STAGE3, "model.tracker.distractor_nms_thr=0.5", {"model.tracker.distractor_iou_thr": 0.5}),
        (STAGE3, "model.train_cfg.embed.sampler.num=128", {"model.pair_sampler.sampler.num": 128}),
        (STAGE3, f"{HEAD}.track_head.embed_channels=128", {"model.track_head.embed_channels": 128}),
        (STAGE3, "data.train.dataset.dataset.ref_img_sampler.scope=3", {
            "train_dataloader.dataset.dataset.dataset.max_gap": 3}),
        (STAGE3, "data.train.dataset.dataset.ref_img_sampler.pesudo=False", {
            "train_dataloader.dataset.dataset.dataset.include_self": False}),
        (STAGE4, f"{HEAD}.track_head.loss_cyc.loss_type=['pairwise']", {
            "model.cycle_loss.terms": ("pair",)}),
        (STAGE4, f"{HEAD}.track_head.loss_cyc.margin=0.4", {"model.cycle_loss.margin": 0.4}),
        (STAGE4, f"{HEAD}.cluster_num=4", {"model.num_clusters": 4}),
        (STAGE4, f"{HEAD}.spatial_loss=False", {"model.spatial_loss": None}),
        (STAGE4, f"{HEAD}.only_spatial_loss=True", {"model.cycle_loss.loss_weight": 0.0}),
        (STAGE4, f"{HEAD}.top_k_spatial=5", {"model.spatial_loss.top_k": 5}),
        (STAGE4, f"{HEAD}.iou_thres=0.9", {"model.spatial_loss.iou_thr": 0.9}),
        (STAGE4, f"{HEAD}.spatial_learning_rate=0.1", {"model.spatial_loss.loss_weight": 0.1}),
        (STAGE4, f"{HEAD}.self_train_rcnn.score_thr=0.01", {"model.score_thr": 0.01}),
        (STAGE4, f"{HEAD}.self_train_rcnn.max_per_img=20", {
            "model.detector.test_cfg.rcnn.max_per_img": 20}),
        (STAGE4, "model.test_cfg.rcnn.max_per_img=110", {
            "model.detector.test_cfg.rcnn.max_per_img": 110}),
        (STAGE4, "model.backbone.frozen_stages=1", {"model.detector.backbone.frozen_stages": 1}),
        (STAGE4, "model.data_preprocessor.pad_size_divisor=64", {
            "model.detector.data_preprocessor.pad_size_divisor": 64}),
        (STAGE4, "model.vocabulary=lvis_v1", {"model.detector.vocabulary": "lvis_v1"}),
        (STAGE4, "model.frozen_bn=eval", {"model.frozen_bn": "eval"}),
        (STAGE4, "model.detector.frozen_bn=train", {"model.detector.frozen_bn": "train"}),
        (STAGE4, "model.keep_observations=3", {"model.keep_observations": 3}),
        (STAGE4, "data.train.seq_length=6", {"train_dataloader.dataset.clip_length": 6}),
        (STAGE4, "data.train.long_short_length=20", {"train_dataloader.dataset.window": 20}),
        (STAGE4, "data.train.crop_size_ratio=4", {"train_dataloader.dataset.chunk_length": 32}),
        (STAGE4, "data.train.long_short_mode=False", {
            "train_dataloader.dataset.sampling": "consecutive"}),
        (STAGE4, "data.train.ann_file=['/a','/b']", {
            "train_dataloader.dataset.folders": ["/a", "/b"]}),
    ],
)  # fmt: skip
def test_translation(name, option, expected):
    cfg = config(name)
    apply_options(cfg, [option])
    found = [change[0] for change in changes(config(name).to_dict(), cfg.to_dict())]
    assert {key: value_at(cfg, key) for key in expected} == expected
    assert found
    others = [key for key in found if not any(is_part(key, wanted) for wanted in expected)]
    assert not others


def is_part(key: str, other: str) -> bool:
    """Whether one dotted key lies inside of another."""
    short, long = sorted((key, other), key=len)
    return f"{long}.".startswith(f"{short}.")


def value_at(node: object, key: str) -> object:
    for part in key.split("."):
        node = node[int(part)] if isinstance(node, (list, tuple)) else node[part]
    return node


@pytest.mark.parametrize(
    ("name", "option", "hint"),
    [
        (STAGE1, "fp16.loss_scale=512", "--amp"),
        (STAGE1, "optimizer_config.type=Fp16OptimizerHook", "--amp"),
        (STAGE1, "workflow=[('train',1),('val',1)]", "train_cfg.val_interval"),
        (STAGE1, "runner.type=IterBasedRunner", "goes by epochs"),
        (STAGE1, "lr_config.policy=CosineAnnealing", "param_scheduler"),
        (STAGE1, "lr_config.warmup=constant", "param_scheduler"),
        (STAGE1, "lr_config.min_lr=0", "param_scheduler"),
        (STAGE1, "log_config.hooks=[]", "--log"),
        (STAGE1, "checkpoint_config.create_symlink=True", "last_checkpoint"),
        (STAGE1, "gpu_ids=[0]", "tools/dist_train.sh"),
        (STAGE1, "evaluation.metric=['proposal']", "vovtrack test --eval"),
        (STAGE1, "evaluation.classwise=True", "--all-metrics"),
        (STAGE1, "img_norm_cfg.to_rgb=False", "would change nothing"),
        (STAGE3, "train_pipeline.3.flip_ratio=0.5", "would change nothing"),
        (STAGE1, "data.train.pipeline.3.keep_ratio=False", "vovtrack inspect config"),
        (STAGE1, "data.test.type=CocoDataset", "choose another config"),
        (STAGE1, "data.train.dataset.proposal_file=a.pkl", "vovtrack features proposals"),
        (STAGE1, "data.train.classes=names.txt", "vocabulary"),
        (STAGE1, "model.type=FasterRCNN", "does not take vocabulary"),
        (STAGE1, f"{HEAD}.type=OVTrackRoIHead", "no class 'OVTrackRoIHead'"),
        (STAGE1, f"{HEAD}.feature_path=data/a.zip", "vovtrack features import data/a.zip"),
        (STAGE1, f"{HEAD}.coco_setting=True", "vocabulary=coco_65"),
        (STAGE1, f"{HEAD}.fix_bg=True", "background is learned"),
        (STAGE1, f"{HEAD}.dynamic_rcnn_thre=True", "score_rule.detect=0.001"),
        (STAGE4, "test_cfg.rcnn.score_thr=0.01", "score_rule.uniform_factor"),
        (STAGE1, f"{HEAD}.prompt_prob_train=True", "use configs/lvis/.*reverse.py"),
        (STAGE1, f"{HEAD}.level_low=0.3", "no state attention .stage 2"),
        (STAGE3, f"{HEAD}.kd_weight=1", "no distillation"),
        (STAGE3, f"{HEAD}.train_kd_loss=True", "distils nothing"),
        (STAGE3, f"{HEAD}.feature_path=bank", "load no region features"),
        (STAGE2, f"{HEAD}.prompt_group_list=[a,b,c]", "pairs of words"),
        (STAGE3, f"{HEAD}.custom_classes=True", "vovtrack track --classes"),
        (STAGE4, f"{HEAD}.use_special_prompt=True", "use configs/.*_states.py"),
        (STAGE4, f"{HEAD}.prob_alpha=0.9", "no state scoring .configs/.*_states.py"),
        (STAGE4, f"{HEAD}.after_softmax=True", "StateGate"),
        (STAGE3, f"{HEAD}.self_train=True", "use configs/ovtrack-teta/adding_spatial"),
        (STAGE3, f"{HEAD}.cluster_num=4", "stage 4"),
        (STAGE3, f"{HEAD}.iou_thres=0.9", "stage 4"),
        (STAGE3, f"{HEAD}.self_train_rcnn.max_per_img=9", "stage 4"),
        (STAGE4, f"{HEAD}.cluster_method=dbscan", "k-means"),
        (STAGE4, f"{HEAD}.cem_head.type=ClsExemplarHead", "class exemplars"),
        (STAGE4, f"{HEAD}.cem_head=None", "class exemplars"),
        (STAGE3, "model.save_dets=True", "vovtrack test --observations"),
        (STAGE3, "model.train_cfg.rpn.sampler.num=9", "detector that trains"),
        (STAGE3, "model.rpn_head.only_use_n_layers=2", "all levels"),
        (MINI, "evaluation.start=6", "no validation during training"),
        (MINI, "train_cfg.val_interval=1", "no validation during training"),
        (MINI, "data.val.ann_file=a.json", "no validation during training"),
    ],
)  # fmt: skip
def test_refusal_says_what_to_do(name, option, hint):
    cfg = config(name)
    key = option.partition("=")[0]
    with pytest.raises(InputError, match=hint) as error:
        apply_options(cfg, [option])
    assert f"Option '{key}" in str(error.value)
    assert cfg.to_dict() == config(name).to_dict()


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("resfile_path=out", {"test_evaluator.out_dir": "out"}),
        ("jsonfile_prefix=out", {"test_evaluator.out_dir": "out"}),
        ("use_tao_metric=True", {"test_evaluator.benchmarks": ("tao",)}),
        ("tcc=False", {"test_evaluator.category_vote": None}),
        ("tcc=True", {"test_evaluator.category_vote": "count"}),
    ],
)
def test_eval_options(option, expected):
    for cfg_options, eval_options in ([], [option]), ([f"evaluation.{option}"], []):
        cfg = config(STAGE4)
        cfg.test_evaluator.benchmarks = ("tao-ov",)
        apply_options(cfg, cfg_options, eval_options)
        assert {key: value_at(cfg, key) for key in expected} == expected


@pytest.mark.parametrize("option", ["classwise=True", "iou_thrs=[0.5]"])
def test_eval_options_that_a_report_replaces(option):
    with pytest.raises(InputError, match="--all-metrics"):
        apply_options(config(STAGE4), [], [option])


def test_old_names_are_told_with_the_new_one():
    notices = apply_options(config(STAGE4), [f"{HEAD}.cluster_num=4", "lr_config.policy=step"])
    assert notices == [
        f"Option '{HEAD}.cluster_num' is now 'model.num_clusters'.",
        "Option 'lr_config.policy=step' says what this config does anyway.",
    ]
    typed = [f"{HEAD}.prompt_path=a.pt", "model.vocabulary=lvis_v1", "model.num_clusters=3"]
    assert apply_options(config(STAGE4), typed) == [
        f"Option '{HEAD}.prompt_path' is now '{INNER}.classifier.text_bank'.",
        "Option 'model.vocabulary' is now 'model.detector.vocabulary'.",
    ]


def test_a_misspelt_key_of_the_detector_is_unknown_as_typed():
    with pytest.raises(InputError) as error:
        apply_options(config(STAGE4), [f"{HEAD}.classifier.text_bnk=a.pt"])
    assert f"Unknown option '{HEAD}.classifier.text_bnk'" in str(error.value)
    assert f"{INNER}.classifier.text_bank" in str(error.value)
