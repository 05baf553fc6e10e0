"""Models and batches for the check: rendered frames, trained mini weights or random large ones."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.structures import InstanceData
from safetensors.torch import save_model
from torch import Tensor, nn

from detpro.prompts import PromptLearner
from detpro.prompts.losses import class_weights
from vovtrack.engine.run import load_config
from vovtrack.files.checkpoints import load_checkpoint_file
from vovtrack.registry import MODELS
from vovtrack.synthetic import render_clip

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "saved_models/mini/ovtrack_mini.safetensors"
TETA = "configs/ovtrack-teta/"
SPATIAL = f"{TETA}adding_spatial/ovtrack_r50_self_train_fintune_adding_spatial_without_inference_"


class Stage(NamedTuple):
    """A stage of training: its config in full size and in the mini world."""

    full: str
    mini: str


STAGES = {
    "detector": Stage("configs/lvis/detpro_ens_20e.py", "configs/mini/detpro.py"),
    "states": Stage(
        "configs/lvis/detpro_ens_20e_part_batch_prompt_reverse.py", "configs/mini/detpro_state.py"
    ),
    "pairs": Stage(f"{TETA}ovtrack_r50_reverse_without_inference.py", "configs/mini/ovtrack.py"),
    "clips": Stage(f"{SPATIAL}ratio1.0_corrected.py", "configs/mini/ovtrack_self_supervised.py"),
    "prompts": Stage("configs/lvis/prompts.py", "configs/mini/prompts.py"),
}
FRAMES = 4
"""Images of a batch; for stage 4 one clip."""
REGIONS = 512
"""Regions of a batch of prompt learning."""


def build(path: str) -> tuple[nn.Module, Config]:
    """The model of a config; the mini world's has trained weights, a larger one random ones."""
    cfg = load_config(path)
    if cfg.model.type == "PromptLearner":
        return prompt_learner(cfg), cfg
    mini = "/mini/" in path
    detector = cfg.model.get("detector", cfg.model)
    detector.backbone.init_cfg = None
    torch.manual_seed(0)
    if not mini and cfg.model.type == "SelfSupervisedOVTrack":
        # With random weights the detector is sure of nothing.
        detector.roi_head.score_rule.uniform_factor = 0.0
        cfg.model.score_thr = None
    model = MODELS.build(cfg.model)
    if mini:
        model.load_state_dict(load_checkpoint_file(WEIGHTS), strict=False)
        return model, cfg
    head = getattr(model, "detector", model).roi_head
    dims = head.classifier.bank.shape[1]
    model.set_classes(model.vocabulary, torch.randn(len(model.vocabulary), dims))
    if head.state_attention is not None:
        pairs = len(head.state_attention.pairs)
        head.state_attention.states = F.normalize(torch.randn(pairs, dims, 2), dim=1)
    return model, cfg


def prompt_learner(cfg: Config) -> nn.Module:
    """The model of prompt learning, whose CLIP has random weights if none come with the project."""
    torch.manual_seed(0)
    clip = cfg.model.clip
    with TemporaryDirectory() as folder:
        if not Path(clip.pretrained).is_file():
            clip.pretrained = f"{folder}/clip.safetensors"
            save_model(open_clip.create_model(clip.model, load_weights=False), clip.pretrained)
        model = MODELS.build(cfg.model)
        model.clip.load()
    return model


def batch(model: nn.Module, height: int, width: int) -> dict:
    """A batch as a loader gives it: frames of a clip with boxes, identities and regions.

    That of prompt learning is random features instead, with labels of base classes and background.
    """
    if isinstance(model, PromptLearner):
        return region_batch(model)
    head = getattr(model, "detector", model).roi_head
    dims = head.classifier.bank.shape[1]
    visible = (~head.hidden_classes[:-1]).nonzero()[:, 0].cpu()
    frames, truth = render_clip(seed=3, num_frames=FRAMES, width=width, height=height)
    generator = torch.Generator().manual_seed(0)
    shape, inputs, samples = (height, width), [], []
    for number, frame in enumerate(frames):
        rows = truth.frame_ids == number
        boxes = torch.from_numpy(truth.bboxes[rows]).float()
        meta = dict(img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0), img_id=number)
        sample = DetDataSample(
            metainfo=dict(meta, clip_length=FRAMES, frame_id=number, homography_matrix=np.eye(3))
        )
        sample.gt_instances = InstanceData(
            bboxes=boxes,
            labels=visible[torch.from_numpy(truth.labels[rows]).long() % len(visible)],
            instances_ids=torch.from_numpy(truth.track_ids[rows]).long(),
            masks=BitmapMasks(np.ones((len(boxes), *shape), np.uint8), *shape),
        )
        embeds = F.normalize(torch.randn(len(boxes), dims, generator=generator), dim=1)
        sample.regions = InstanceData(bboxes=boxes + 2, embeds=embeds)
        samples.append(sample)
        # Pixels in the order of an image file's reader.
        inputs.append(torch.from_numpy(frame[..., ::-1].transpose(2, 0, 1).copy()))
    return dict(inputs=inputs, data_samples=samples)


def region_batch(model: PromptLearner) -> dict[str, Tensor]:
    """Random features and labels; the model is told how often each label occurs."""
    generator = torch.Generator().manual_seed(0)
    num_base = int((~model.vocabulary.novel).sum())
    labels = torch.randint(num_base + 1, (REGIONS,), generator=generator)
    model.class_weights = class_weights(labels, num_base).to(model.context.device)
    features = torch.randn(REGIONS, model.clip.embed_dim, generator=generator)
    return dict(inputs=features, labels=labels)
