"""Key names of QDTrack checkpoints of other projects, and what becomes of them here."""

from __future__ import annotations

import re

from vovtrack.engine.weights.conversion import Layout
from vovtrack.engine.weights.key_map import WRAPPER, KeyMap

DETECTOR_PARTS = ("backbone", "neck", "rpn_head", "roi_head", "bbox_head")
"""Parts of a bare detector of mmdet, of one or two stages."""
WITH_NORM = (
    r"^((?:basemodel\.(?:stem|stage)|fpn\.(?!inner_|layer_)|yolox_head\.multi_level_\w+_convs)"
    r"[\w.]*)"
)
"""A convolution in vis4d's YOLOX, which is one module with its batch norm."""
EMBED_CONV = r"^(qdtrack_head\.similarity_head\.convs\.\d+)"
VIS4D_RULES = (
    # What vis4d called things earlier.
    (r"^faster_rcnn_heads\.", "faster_rcnn_head."),
    (r"^backbone\.body\.", "basemodel."),
    (r"^qdtrack\.", "qdtrack_head."),
    (WITH_NORM + r"(?<!\.norm)\.weight$", r"\1.conv.weight"),
    (WITH_NORM + r"\.norm\.", r"\1.bn."),
    (EMBED_CONV + r"\.weight$", r"\1.conv.weight"),
    (EMBED_CONV + r"\.norm\.", r"\1.gn."),
    (r"^(qdtrack_head\.similarity_head\.fcs\.\d+)\.0\.", r"\1."),
    (r"^fpn\.inner_blocks\.(\d+)\.0\.", r"fpn.lateral_convs.\1.conv."),
    (r"^fpn\.layer_blocks\.(\d+)\.0\.", r"fpn.fpn_convs.\1.conv."),
)
"""Patterns of vis4d's names -> those of mmdet's modules, applied in turn."""


class QDTrackKeys(KeyMap):
    """Names of vis4d, of the older QDTrack and of mmdet."""

    def translate(self, key: str) -> tuple[str | None, str]:
        """See :meth:`KeyMap.translate`."""
        for pattern, name in VIS4D_RULES:
            key = re.sub(pattern, name, key)
        return super().translate(key)


QDTRACK_KEYS = QDTrackKeys(
    renamed={
        "faster_rcnn_head.rpn_head.rpn_box.": "detector.rpn_head.rpn_reg.",
        "faster_rcnn_head.rpn_head.": "detector.rpn_head.",
        "faster_rcnn_head.roi_head.": "detector.roi_head.bbox_head.",
        "yolox_head.": "detector.bbox_head.",
        "basemodel.": "detector.backbone.",
        "fpn.": "detector.neck.",
        "qdtrack_head.similarity_head.": "track_head.",
        "track_head.track_head.": "track_head.",
        "track_head.embed_head.": "track_head.",
        **{f"{part}.": f"detector.{part}." for part in DETECTOR_PARTS},
    },
    dropped={"ema_": "moving averages that the weights themselves hold already"},
    wrappers=("model.ema_model.", "model.model.", "model.", WRAPPER),
)
RCNN_CLASSES = ("detector.roi_head.bbox_head.fc_cls.", "detector.roi_head.bbox_head.fc_reg.")
YOLOX_CLASSES = ("detector.bbox_head.multi_level_conv_cls.",)

QDTRACK = Layout(
    name="qdtrack",
    what="QDTrack on Faster R-CNN",
    keys=QDTRACK_KEYS,
    marks=(
        "faster_rcnn_head.",
        "faster_rcnn_heads.",
        "track_head.track_head.",
        "track_head.embed_head.",
        "detector.roi_head.bbox_head.fc_cls.",
    ),
    config="configs/_base_/models/qdtrack_faster_rcnn_r50.py",
    any_classes=RCNN_CLASSES,
)
QDTRACK_YOLOX = Layout(
    name="qdtrack-yolox",
    what="QDTrack on YOLOX-x",
    keys=QDTRACK_KEYS,
    marks=("yolox_head.", "detector.bbox_head.multi_level_"),
    config="configs/_base_/models/qdtrack_yolox_x.py",
    any_classes=YOLOX_CLASSES,
)
YOLOX = Layout(
    name="yolox",
    what="YOLOX-x detector to start QDTrack from",
    keys=QDTRACK_KEYS,
    marks=("bbox_head.multi_level_",),
    config="configs/_base_/models/qdtrack_yolox_x.py",
    optional=("track_head.",),
    any_classes=YOLOX_CLASSES,
    notes=("A model of another number of classes learns to tell them anew.",),
)
