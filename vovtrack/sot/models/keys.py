"""Names of the published weights."""

from vovtrack.engine.weights.conversion import Layout
from vovtrack.engine.weights.key_map import KeyMap

_UNUSED = "a part of the classifier of images that the backbone was, which no tracker runs"
DIMP_KEYS = KeyMap(
    renamed={
        "feature_extractor.": "backbone.",
        "bb_regressor.": "iou_net.",
        "classifier.filter_optimizer.residual_module.": "classifier.filter_optimizer.",
    },
    dropped={"feature_extractor.layer4.": _UNUSED, "feature_extractor.fc.": _UNUSED},
)

KEEP_TRACK_KEYS = KeyMap(
    renamed={
        "descriptor_extractor.conv.": "descriptor.",
        "matcher.kenc.encoder.": "matcher.keypoint_encoder.",
        **{f"matcher.gnn.layers.{n}.update.": f"matcher.layers.{n}." for n in range(4)},
    },
    dropped={"feature_extractor.": "a backbone that no tracker runs: it has DiMP's features"},
)

NETWORKS = (
    Layout(
        name="keep-track",
        what="KeepTrack's matching of candidates",
        keys=KEEP_TRACK_KEYS,
        marks=("matcher.",),
        config="configs/_base_/models/keep_track.py",
    ),
    Layout(
        name="super-dimp-simple",
        what="super DiMP simple",
        keys=DIMP_KEYS,
        marks=("classifier.filter_optimizer.residual_module.",),
        config="configs/_base_/models/super_dimp_simple.py",
    ),
    Layout(
        name="dimp18",
        what="DiMP with ResNet-18",
        keys=DIMP_KEYS,
        marks=("classifier.feature_extractor.0.conv1.",),
        config="configs/_base_/models/dimp18.py",
    ),
    Layout(
        name="dimp50",
        what="DiMP with ResNet-50, or super DiMP",
        keys=DIMP_KEYS,
        marks=("classifier.filter_optimizer.label_map_predictor.",),
        config="configs/_base_/models/dimp50.py",
    ),
    Layout(
        name="prdimp50",
        what="PrDiMP with ResNet-50",
        keys=DIMP_KEYS,
        marks=("classifier.filter_optimizer.log_step_length",),
        config="configs/_base_/models/prdimp50.py",
    ),
)
"""The most special first: each is told by what those after it do not have."""
