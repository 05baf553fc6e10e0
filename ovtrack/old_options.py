"""What the released OVTrack and VOVTrack trackers called their options."""

from __future__ import annotations

import os

from mmengine.config import Config

from detpro.old_options import HEAD, PARTS, switch_freeze, switch_part
from vovtrack.engine.old_options import OldOptions, Pair, literal
from vovtrack.errors import InputError

STAGE4 = (
    "configs/ovtrack-teta/adding_spatial/"
    "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0.py"
)
CLIPS = "train_dataloader.dataset"
TERMS = dict(pairwise="pair", triplewise="triple")
INERT = "was read by nothing; leave the option out"
DETECTIONS = "detections are kept by 'vovtrack test --observations' and run by 'vovtrack replay'"
EXEMPLARS = "class exemplars are model.class_head, as in configs/mini/ovtrack_classes.py"


def _self_train(config: Config, key: str, text: str) -> list[Pair]:
    """Detections of stage 4 are those of a test, with a threshold of their own."""
    name = key.removeprefix(f"{HEAD}.self_train_rcnn.")
    if config.model.get("cycle_loss") is None:
        raise InputError(f"Option '{key}={text}': it belongs to stage 4; leave the option out.")
    return [("model.score_thr" if name == "score_thr" else f"model.test_cfg.rcnn.{name}", text)]


def _terms(config: Config, key: str, text: str) -> list[Pair]:
    names = literal(text) if isinstance(literal(text), (list, tuple)) else [text]
    if unknown := set(names) - set(TERMS):
        raise InputError(f"Option '{key}={text}': unknown {', '.join(sorted(map(str, unknown)))}.")
    return [("model.cycle_loss.terms", repr([TERMS[name] for name in names]))]


def _only_spatial(config: Config, key: str, text: str) -> list[Pair]:
    return [] if literal(text) is False else [("model.cycle_loss.loss_weight", "0.0")]


SAMPLER = {
    "type": ("CombinedSampler", "the sampler is model.pair_sampler.sampler.type"),
    "add_gt_as_proposals": (True, "objects themselves are regions too"),
    "pos_sampler.type": ("InstanceBalancedPosSampler", "objects are picked equally often"),
    "neg_sampler.type": (
        "RandomSampler", "bins of background are model.pair_sampler.sampler.num_bins",
    ),
}  # fmt: skip
"""Of the sampler of regions: what an option was, and what stands for it."""


def _train_files(config: Config, key: str, text: str) -> list[Pair]:
    """An annotation file, or the folders of videos of raw clips."""
    dataset = config.get("train_dataloader", {}).get("dataset", {})
    if dataset.get("type") != "RawSnippetDataset":
        return [(f"{CLIPS}.ann_file", os.path.abspath(text))]
    folders = literal(text) if isinstance(literal(text), (list, tuple)) else [text]
    return [(f"{CLIPS}.folders", repr([os.path.abspath(folder) for folder in folders]))]


def _chunk_length(config: Config, key: str, text: str) -> list[Pair]:
    """Chunks were counted in clips."""
    dataset = config.get("train_dataloader", {}).get("dataset", {})
    length = dataset.get("clip_length")
    if not isinstance(length, int) or not isinstance(literal(text), int):
        return [(f"{CLIPS}.chunk_length", text)]
    return [(f"{CLIPS}.chunk_length", str(length * literal(text)))]


def _sampling(config: Config, key: str, text: str) -> list[Pair]:
    return [(f"{CLIPS}.sampling", "long_short" if literal(text) is True else "consecutive")]


OLD_OPTIONS = OldOptions(
    renamed={
        "model.method": ("model.tracker.mode",),
        "model.tracker.distractor_nms_thr": ("model.tracker.distractor_iou_thr",),
        "model.train_cfg.embed.": ("model.pair_sampler.",),
        f"{HEAD}.track_train_cfg.": ("model.pair_sampler.",),
        f"{HEAD}.track_head.": ("model.track_head.",),
        f"{HEAD}.track_head.loss_cyc.margin": ("model.cycle_loss.margin",),
        f"{HEAD}.cluster_num": ("model.num_clusters",),
        f"{HEAD}.top_k_spatial": ("model.spatial_loss.top_k",),
        f"{HEAD}.iou_thres": ("model.spatial_loss.iou_thr",),
        f"{HEAD}.spatial_learning_rate": ("model.spatial_loss.loss_weight",),
        "data.train.seq_length": (f"{CLIPS}.clip_length",),
        "data.train.long_short_length": (f"{CLIPS}.window",),
        "data.train.ref_img_sampler.scope": (f"{CLIPS}.max_gap",),
        "data.train.ref_img_sampler.pesudo": (f"{CLIPS}.include_self",),
    },
    translated={
        f"{HEAD}.spatial_loss": switch_part(
            "model.spatial_loss", f"that is stage 4; use {STAGE4}"
        ),
        f"{HEAD}.only_spatial_loss": _only_spatial,
        f"{HEAD}.self_train_rcnn.": _self_train,
        f"{HEAD}.track_head.loss_cyc.loss_type": _terms,
        "model.freeze_detector": switch_freeze(*PARTS),
        "data.train.ann_file": _train_files,
        "data.train.crop_size_ratio": _chunk_length,
        "data.train.long_short_mode": _sampling,
    },
    settled={
        f"{HEAD}.cluster_method": ("kmeans", "clusters are those of k-means"),
        f"{HEAD}.init_track_head_by_bbox_head": (False, "the embedding head starts by itself"),
        **{f"{place}.sampler.{key}": settled for key, settled in SAMPLER.items()
           for place in ("model.train_cfg.embed", f"{HEAD}.track_train_cfg")},
        f"{HEAD}.track_head.type": ("QuasiDenseEmbedHead", "the head is model.track_head.type"),
        f"{HEAD}.track_head.loss_track.type": (
            "MultiPosCrossEntropyLoss", "the loss is model.track_head.loss_track.type",
        ),
        f"{HEAD}.track_head.loss_track_aux.type": (
            "L2Loss", "the loss is model.track_head.loss_track_aux.type",
        ),
        f"{HEAD}.track_head.loss_track.version": (
            "unbiased", "the unbiased form is model.track_head.loss_track.type",
        ),
        f"{HEAD}.track_head.loss_track_aux.hard_mining": (
            True, "the hardest negatives count",
        ),
        f"{HEAD}.self_train_rcnn.dynamic_rcnn_thre": (
            False, f"the threshold of stage 4 is {HEAD}.score_rule.uniform_factor",
        ),
        "data.train.load_as_video": (True, "the file is read as videos"),
        "data.train.key_img_sampler.interval": (1, "every image is a key"),
        "data.train.ref_img_sampler.num_ref_imgs": (1, "a pair has one reference"),
        "data.train.ref_img_sampler.method": ("uniform", "references are drawn uniformly"),
        "data.val.ref_img_sampler": (None, "frames are tested one by one"),
        "data.test.ref_img_sampler": (None, "frames are tested one by one"),
    },
    gone={
        **{f"{HEAD}.{name}": f"stage 4 is the model SelfSupervisedOVTrack; use {STAGE4}"
           for name in ("self_train", "only_self_train")},
        f"{HEAD}.finetune_track": INERT,
        f"{HEAD}.bbox_counter": INERT,
        f"{HEAD}.track_roi_extractor": "regions of the embedding head are pooled by "
        f"{HEAD}.bbox_roi_extractor; leave the option out",
        f"{HEAD}.self_train_rcnn.nms.split_thr": "did not change results; leave it out",
        f"{HEAD}.track_head.loss_cyc.type": "the loss of cycles is model.cycle_loss.type",
        **{f"{HEAD}.cem_{name}{dot}": EXEMPLARS for dot in ("", ".")
           for name in ("roi_extractor", "head", "train_cfg")},
        "model.save_dets": DETECTIONS,
        "model.pickle_path": DETECTIONS,
        "model.use_fixed_dets": DETECTIONS,
        "data.train.min_seq_length": "videos shorter than a clip are left out; leave it out",
        **{f"{name}_dataset_list": "the folders of videos are data.train.ann_file=[A,B]"
           for name in ("tao_train", "lv_vis", "combined")},
    },
    parts={
        "model.spatial_loss.": ("model.spatial_loss", "spatial loss (stage 4)"),
        "model.cycle_loss.": ("model.cycle_loss", "loss of cycles (stage 4)"),
        "model.num_clusters": ("model.cycle_loss", "self-supervision (stage 4)"),
        "model.track_head.": ("model.track_head", "embedding head (stages 3 and 4)"),
        "model.tracker.": ("model.tracker", "tracker"),
        "model.pair_sampler.": ("model.pair_sampler", "pairs to train on (stage 3)"),
        "model.train_cfg.": ("model.train_cfg", "detector that trains (stages 1 and 2)"),
    },
)  # fmt: skip
