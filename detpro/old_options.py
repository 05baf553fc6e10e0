"""What the released DetPro and VOVTrack detectors called their options."""

from __future__ import annotations

from functools import partial

from mmengine.config import Config

from vovtrack.engine.old_options import OldOptions, Pair, Translator, boolean, literal
from vovtrack.engine.options import leaves
from vovtrack.errors import InputError

HEAD = "model.roi_head"
STATES = f"{HEAD}.state_attention"
LEVELS = dict(reg=(0, 0, 1, 1), cls=(2, 2, 3, 3))
"""Levels that ``use_part_layer_to_extract_features`` pools from."""
PARTS = ("backbone", "neck", "rpn_head", "roi_head")
STAGE2 = "configs/lvis/detpro_ens_20e_part_batch_prompt_reverse.py"
SOFTMAX_TWICE = "RepeatedSoftmaxScores"
OVERWRITTEN = 1e-4
"""Value of ``score_thr`` in the trackers' configs, where it has no effect."""
SCORING = f"{HEAD}.state_scoring"
STATES_CONFIG = (
    "configs/ovtrack-teta/adding_spatial/"
    "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0_states.py"
)
DRAWN = "'vovtrack draw states' shows what state words say of regions"


def switch_part(key: str, absent: str) -> Translator:
    """A switch that is a part today: True where it is there, False takes it away.

    Args:
        key: Of the part.
        absent: What to do where it is not there and wanted.
    """

    def translate(config: Config, typed: str, text: str) -> list[Pair]:
        node = config
        for name in key.split("."):
            node = (node or {}).get(name)
        if boolean(typed, text):
            if node is None:
                raise InputError(f"Option '{typed}={text}': {absent}.")
            return []
        return [] if node is None else [(key, "None")]

    return translate


def choose(key: str, on: str, off: str) -> Translator:
    """A switch that is a value today."""
    return lambda config, typed, text: [(key, on if boolean(typed, text) else off)]


def switch_freeze(*parts: str) -> Translator:
    """A switch that freezes parts of the model."""

    def translate(config: Config, typed: str, text: str) -> list[Pair]:
        frozen = set(config.model.get("freeze", ()))
        frozen = frozen | set(parts) if boolean(typed, text) else frozen - set(parts)
        return [("model.freeze", repr(tuple(part for part in PARTS if part in frozen)))]

    return translate


def _region_features(argument: str, config: Config, key: str, text: str) -> list[Pair]:
    """Point an option at the transforms that load region features."""
    keys = [
        name.removesuffix("type") + argument
        for name, value in leaves(config.to_dict())
        if name.startswith("train_dataloader.") and value == "LoadRegionFeatures"
    ]
    if not keys:
        raise InputError(
            f"Option '{key}={text}': the training data of this config load no region features; "
            "leave the option out."
        )
    if argument == "bank" and text.endswith(".zip"):
        raise InputError(
            f"Option '{key}={text}': an archive of features is made a bank once, by 'vovtrack "
            f"features import {text} --bank DIR --ann FILE --regions FILE'; then type {key}=DIR."
        )
    return [(name, text) for name in keys]


def _state_pairs(part: str, config: Config, key: str, text: str) -> list[Pair]:
    """The flat list of words as pairs."""
    words = literal(text)
    if not isinstance(words, (list, tuple)) or len(words) % 2:
        raise InputError(f"Option '{key}={text}': expected a list of pairs of words, one by one.")
    pairs = list(zip(words[::2], words[1::2], strict=True))
    return [(f"{part}.pairs", repr(pairs))]


def _levels(name: str, config: Config, key: str, text: str) -> list[Pair]:
    """Two levels for the small and the large regions, as a level for each of four sizes."""
    levels = literal(text)
    if not isinstance(levels, (list, tuple)) or len(levels) != 2:
        raise InputError(f"Option '{key}={text}': expected two levels.")
    return [(f"{HEAD}.level_map.{name}", repr([levels[0]] * 2 + [levels[1]] * 2))]


def _dynamic_threshold(config: Config, key: str, text: str) -> list[Pair]:
    """A threshold that follows the number of classes, as only a second softmax needs it."""
    on = boolean(key, text)
    if config.model.roi_head.score_rule.type != SOFTMAX_TWICE:
        if on:
            raise InputError(
                f"Option '{key}={text}': scores of this config are probabilities, whatever the "
                f"number of classes; type {HEAD}.score_rule.detect=0.001."
            )
        return []
    return [(f"{HEAD}.score_rule.uniform_factor", "1.001" if on else "0.0")]


def _detection_threshold(config: Config, key: str, text: str) -> list[Pair]:
    """The smallest score of a detection, which ``dynamic_rcnn_thre`` overwrites in the trackers."""
    if config.model.roi_head.score_rule.type != SOFTMAX_TWICE:
        return [(f"{HEAD}.score_rule.detect", text)]
    if literal(text) != OVERWRITTEN:
        raise InputError(
            f"Option '{key}={text}': the threshold follows the number of classes; it is "
            f"{HEAD}.score_rule.uniform_factor / (classes + 1)."
        )
    return []


def _level_calculation(config: Config, key: str, text: str) -> list[Pair]:
    """Without thresholds the probability itself is the weight."""
    return [] if boolean(key, text) else [(f"{STATES}.low", "0.0"), (f"{STATES}.high", "1.0")]


OLD_OPTIONS = OldOptions(
    masks={
        f"{HEAD}.only_validation_categories": ("tao_validation", "lvis_v1"),
        f"{HEAD}.only_test_categories": ("tao_test", None),
    },
    renamed={
        f"{HEAD}.prompt_path": (f"{HEAD}.classifier.text_bank",),
        f"{HEAD}.kd_weight": (f"{HEAD}.distillation.loss_weight",),
        f"{HEAD}.fixed_lambda": (f"{HEAD}.fusion.fixed_text_weight",),
        f"{HEAD}.level_low": (f"{STATES}.low",),
        f"{HEAD}.level_high": (f"{STATES}.high",),
        f"{HEAD}.two_stage_inference": (f"{SCORING}.two_stage",),
        f"{HEAD}.prob_alpha": (f"{SCORING}.scale",),
        f"{HEAD}.prob_thres": (f"{SCORING}.threshold",),
        f"{HEAD}.prob_dynamic_ratio": (f"{SCORING}.drop_share",),
        f"{HEAD}.bbox_head.ensemble": (f"{HEAD}.bbox_head.image_branch",),
        f"{HEAD}.bbox_head.fc_out_channels": (f"{HEAD}.bbox_head.branch.hidden_dims",),
        f"{HEAD}.bbox_head.conv_out_channels": (f"{HEAD}.bbox_head.branch.conv_channels",),
        f"{HEAD}.bbox_head.num_shared_convs": (f"{HEAD}.bbox_head.branch.num_convs",),
        f"{HEAD}.bbox_head.norm_cfg": (f"{HEAD}.bbox_head.branch.norm_cfg",),
        f"{HEAD}.bbox_head.norm_cfg.": (f"{HEAD}.bbox_head.branch.norm_cfg.",),
    },
    translated={
        f"{HEAD}.load_feature": partial(_region_features, "load_feature"),
        f"{HEAD}.feature_path": partial(_region_features, "bank"),
        f"{HEAD}.train_kd_loss": switch_part(
            f"{HEAD}.distillation", "this config distils nothing; use configs/lvis/*.py"
        ),
        f"{HEAD}.ensemble": switch_part(
            f"{HEAD}.fusion", "this config has no image branch to fuse; set model.roi_head."
            "fusion and bbox_head.image_branch",
        ),
        f"{HEAD}.prompt_prob_train": switch_part(STATES, f"that is stage 2; use {STAGE2}"),
        f"{HEAD}.prompt_group_list": partial(_state_pairs, STATES),
        f"{HEAD}.prompt_word_list": partial(_state_pairs, SCORING),
        f"{HEAD}.use_special_prompt": switch_part(SCORING, f"use {STATES_CONFIG}"),
        f"{HEAD}.use_special_prompt_only_on_novel": choose(
            f"{SCORING}.classes", "novel", "all"
        ),
        f"{HEAD}.prompt_prob_level_calc": _level_calculation,
        f"{HEAD}.softmax_mode": choose(f"{STATES}.scope", "logits", "loss"),
        f"{HEAD}.dynamic_rcnn_thre": _dynamic_threshold,
        "test_cfg.rcnn.score_thr": _detection_threshold,
        "model.test_cfg.rcnn.score_thr": _detection_threshold,
        f"{HEAD}.use_part_layer_to_extract_features": choose(
            f"{HEAD}.level_map", repr(LEVELS), "None"
        ),
        f"{HEAD}.bbox_roi_extractor.det_map_to_lvls": partial(_levels, "reg"),
        f"{HEAD}.bbox_roi_extractor.cls_map_to_lvls": partial(_levels, "cls"),
        "model.freeze_backbone": switch_freeze("backbone"),
        "model.freeze_neck": switch_freeze("neck"),
        "model.freeze_fpn": switch_freeze("rpn_head"),
    },
    settled={
        f"{HEAD}.prompt_group_mean_way": (True, "pairs of states are averaged"),
        f"{HEAD}.prompt_prob_test": (False, f"states weigh detections in {STATES_CONFIG}"),
        f"{HEAD}.fix_bg": (False, "the embedding of background is learned"),
        f"{HEAD}.use_clip_inference": (False, "CLIP itself does not classify regions in tests"),
        f"{HEAD}.coco_setting": (
            False, "the 65 classes of open-vocabulary COCO are vocabulary=coco_65, as in "
            "configs/transfer/ov_coco_20e.py",
        ),
        f"{HEAD}.custom_classes": (
            False, "names of your own are 'vovtrack track --classes', or vocabulary=[a,b]",
        ),
        f"{HEAD}.only_person": (False, f"that is {STATES}.only_labels=[792]"),
        f"{HEAD}.vis": (False, DRAWN),
        f"{HEAD}.debug": (False, "there is no such mode"),
        f"{HEAD}.bbox_head.with_cls": (False, "the classifier is a bank of class embeddings"),
        f"{HEAD}.bbox_head.reg_class_agnostic": (True, "boxes do not depend on the class"),
        "model.rpn_head.only_use_n_layers": (-1, "proposals come from all levels"),
    },
    gone={
        f"{HEAD}.bbox_head.loss_cls.": "the loss of classes is text_cls_loss, with "
        f"{HEAD}.classifier.train_temperature and no weight of its own; leave the option out",
        **{f"{HEAD}.{name}": DRAWN
           for name in ("vis_interval", "save_vis_dir", "record_probs_info")},
        **{f"{HEAD}.{name}": f"choose {SCORING}.branches, of text and image"
           for name in ("use_special_text_prompt", "use_special_image_prompt")},
        **{f"{HEAD}.{name}": f"leaving regions out is {SCORING}.type=StateGate, with threshold "
           "or drop_share" for name in ("after_softmax", "prob_dynamic")},
        f"{HEAD}.simple_concate": "was read by nothing; leave the option out",
        **{f"data.{split}.proposal_file": "regions come with the feature bank: 'vovtrack "
           f"features proposals' and 'extract' make it, and {HEAD}.feature_path=DIR names it"
           for split in ("train", "val", "test")},
        **{f"{model}test_cfg.rcnn.nms.split_thr": "did not change results; leave it out"
           for model in ("", "model.")},
    },
    parts={
        f"{STATES}.": (STATES, "state attention (stage 2)"),
        f"{SCORING}.": (SCORING, f"state scoring ({STATES_CONFIG})"),
        f"{HEAD}.distillation.": (f"{HEAD}.distillation", "distillation (stages 1 and 2)"),
        f"{HEAD}.fusion.": (f"{HEAD}.fusion", "image branch that is fused"),
        f"{HEAD}.mask_head.": (f"{HEAD}.mask_head", "mask head"),
        f"{HEAD}.mask_roi_extractor.": (f"{HEAD}.mask_head", "mask head"),
        f"{HEAD}.level_map.": (
            f"{HEAD}.level_map", "level map (use_part_layer_to_extract_features=True)"
        ),
    },
)  # fmt: skip
