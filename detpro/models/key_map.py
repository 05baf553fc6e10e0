"""Key names of DetPro checkpoints, released and initial, and what becomes of them here."""

from __future__ import annotations

from vovtrack.engine.weights.conversion import Layout
from vovtrack.engine.weights.key_map import KeyMap

CASCADE_STAGES = 3
R50 = "configs/_base_/models/openvocab_r50.py"
EMBED_KEYS = {"roi_head.projection.weight": 0, "roi_head.bbox_head.text_branch.proj.weight": 0}
"""Projection of regions onto CLIP's embeddings, in released detectors and here."""


def _stage_names(stage: int) -> dict[str, str]:
    """Prefixes of one stage of a released cascade."""
    head = f"roi_head.bbox_head.{stage}."
    return {
        f"{head}shared_convs.": f"{head}text_branch.convs.",
        f"{head}shared_fcs.0.": f"{head}text_branch.fc.",
        f"roi_head.projection.{stage}.": f"{head}text_branch.proj.",
        f"{head}shared_convs_for_image.": f"{head}image_branch.convs.",
        f"{head}shared_fcs_for_image.0.": f"{head}image_branch.fc.",
        f"roi_head.projection_for_image.{stage}.": f"{head}image_branch.proj.",
    }


DETECTOR_KEYS = KeyMap(
    renamed={
        **{old: new for i in range(CASCADE_STAGES) for old, new in _stage_names(i).items()},
        "roi_head.bbox_head.shared_convs.": "roi_head.bbox_head.text_branch.convs.",
        "roi_head.bbox_head.shared_fcs.0.": "roi_head.bbox_head.text_branch.fc.",
        "roi_head.projection.": "roi_head.bbox_head.text_branch.proj.",
        "roi_head.bbox_head.shared_convs_for_image.": "roi_head.bbox_head.image_branch.convs.",
        "roi_head.bbox_head.shared_fcs_for_image.0.": "roi_head.bbox_head.image_branch.fc.",
        "roi_head.projection_for_image.": "roi_head.bbox_head.image_branch.proj.",
        "roi_head.bg_embedding.": "roi_head.classifier.background.",
    },
    dropped={"roi_head.clip_model.": "a whole CLIP, which no detector reads"},
)
SOCO_KEYS = KeyMap(
    renamed={
        "encoder.": "backbone.",
        **{
            f"head.conv{i + 1}.": f"roi_head.bbox_head.text_branch.convs.{i}.conv."
            for i in range(4)
        },
        **{f"head.bn{i + 1}.": f"roi_head.bbox_head.text_branch.convs.{i}.bn." for i in range(4)},
        "head.fc1.": "roi_head.bbox_head.text_branch.fc.",
        **DETECTOR_KEYS.renamed,
    },
    dropped={
        **{f"{part}_k.": "SoCo's slow copy" for part in ("encoder", "neck", "head", "projector")},
        **dict.fromkeys(("projector.", "predictor."), "of SoCo's own training loss"),
    },
)
MASK_HEAD = {
    "type": "FCNMaskHead",
    "num_convs": 4,
    "in_channels": 256,
    "conv_out_channels": 256,
    "num_classes": 1,
    "class_agnostic": True,
}
"""The mask head that released detectors carry."""

DETPRO = Layout(
    name="detpro",
    what="detector (stages 1 and 2)",
    keys=DETECTOR_KEYS,
    marks=("roi_head.projection.", "roi_head.bbox_head.text_branch.proj."),
    config=R50,
    optional=("roi_head.mask_head.",),
    overrides={"roi_head": {"mask_head": MASK_HEAD}},
    stages={"detpro_stage1": 1, "detpro_stage2_finetune": 2},
    embed_keys=EMBED_KEYS,
)
CASCADE = Layout(
    name="detpro-cascade",
    what="cascade detector",
    keys=DETECTOR_KEYS,
    marks=("roi_head.projection.0.", "roi_head.bbox_head.0.text_branch.proj."),
    config="configs/_base_/models/detpro_cascade_r50.py",
)
SOCO = Layout(
    name="soco",
    what="SoCo initialisation of stage 1",
    keys=SOCO_KEYS,
    marks=("encoder.conv1.", "roi_head.bbox_head.shared_convs."),
    config=R50,
    optional=(
        "neck.",
        "roi_head.bbox_head.text_branch.convs.",
        "roi_head.bbox_head.text_branch.fc.",
    ),
    notes=(
        "SoCo strides in the 3x3 convolutions: train with model.backbone.style=pytorch, or accept "
        "another stride placement, as the released detectors do.",
    ),
    backbone=True,
)
