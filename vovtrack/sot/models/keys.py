"""Names of the published weights."""

from vovtrack.engine.weights.conversion import Layout
from vovtrack.engine.weights.key_map import KeyMap

_UNUSED = "a part of the classifier of images that the backbone was, which no tracker runs"
_DROPPED = {"feature_extractor.layer4.": _UNUSED, "feature_extractor.fc.": _UNUSED}
DIMP_KEYS = KeyMap(
    renamed={
        "feature_extractor.": "backbone.",
        "bb_regressor.": "iou_net.",
        "classifier.filter_optimizer.residual_module.": "classifier.filter_optimizer.",
    },
    dropped=_DROPPED,
)

KEEP_TRACK_KEYS = KeyMap(
    renamed={
        "descriptor_extractor.conv.": "candidates.descriptor.",
        "matcher.kenc.encoder.": "candidates.matcher.keypoint_encoder.",
        **{f"matcher.gnn.layers.{n}.update.": f"candidates.matcher.layers.{n}." for n in range(4)},
        "matcher.": "candidates.matcher.",
    },
    dropped={"feature_extractor.": "a backbone that no tracker runs: it has DiMP's features"},
)
_PREDICTOR = "head.filter_predictor."
TOMP_KEYS = KeyMap(
    renamed={
        "feature_extractor.": "backbone.",
        "head.feature_extractor.": "features.",
        f"{_PREDICTOR}transformer.encoder.layers.": "predictor.encoder.",
        f"{_PREDICTOR}transformer.decoder.layers.": "predictor.decoder.",
        f"{_PREDICTOR}transformer.decoder.norm.": "predictor.decoder_norm.",
        f"{_PREDICTOR}box_encoding.": "predictor.box_encoding.",
        f"{_PREDICTOR}query_embed_fg_decoder.weight": "predictor.target_token",
        "head.classifier.": "classifier.",
        "head.bb_regressor.linear.": "box_regressor.attention.linear.",
        "head.bb_regressor.tower.": "box_regressor.tower.",
        "head.bb_regressor.bbreg_layer.": "box_regressor.output.",
    },
    dropped={
        **_DROPPED,
        f"{_PREDICTOR}query_embed_fg.": "a second name of 'query_embed_fg_decoder'",
    },
)

_TRANSFORMER = (_PREDICTOR, "predictor.target_token")
_BLOCK = "classifier.feature_extractor.0.conv1."
_LABEL_MAP = "classifier.filter_optimizer.label_map_predictor."

NETWORKS = (
    Layout(
        name="tomp101",
        what="ToMP with ResNet-101",
        keys=TOMP_KEYS,
        marks=("feature_extractor.layer3.22.", "backbone.layer3.22."),
        beside=_TRANSFORMER,
        config="configs/_base_/models/tomp101.py",
    ),
    Layout(
        name="tomp50",
        what="ToMP with ResNet-50",
        keys=TOMP_KEYS,
        marks=_TRANSFORMER,
        config="configs/_base_/models/tomp50.py",
    ),
    Layout(
        name="keep-track",
        what="KeepTrack's matching of candidates",
        keys=KEEP_TRACK_KEYS,
        marks=("matcher.", "candidates."),
        config="configs/_base_/models/keep_track.py",
        optional=("backbone.", "classifier.", "iou_net."),
        notes=("Its tracker is super DiMP simple: convert with --onto that one's converted file.",),
    ),
    Layout(
        name="dimp18",
        what="DiMP with ResNet-18",
        keys=DIMP_KEYS,
        marks=(_BLOCK,),
        beside=(_LABEL_MAP,),
        config="configs/_base_/models/dimp18.py",
    ),
    Layout(
        name="prdimp18",
        what="PrDiMP with ResNet-18",
        keys=DIMP_KEYS,
        marks=(_BLOCK,),
        config="configs/_base_/models/prdimp18.py",
    ),
    Layout(
        name="dimp50",
        what="DiMP with ResNet-50, or super DiMP",
        keys=DIMP_KEYS,
        marks=(_LABEL_MAP,),
        config="configs/_base_/models/dimp50.py",
    ),
    Layout(
        name="prdimp50",
        what="PrDiMP with ResNet-50",
        keys=DIMP_KEYS,
        marks=("classifier.filter_optimizer.log_step_length",),
        config="configs/_base_/models/prdimp50.py",
    ),
    Layout(
        name="super-dimp-simple",
        what="super DiMP simple",
        keys=DIMP_KEYS,
        marks=(
            "classifier.filter_optimizer.residual_module.",
            "classifier.filter_optimizer.filter_reg",
        ),
        config="configs/_base_/models/super_dimp_simple.py",
    ),
    Layout(
        name="atom",
        what="ATOM's network of boxes",
        keys=DIMP_KEYS,
        marks=("bb_regressor.", "iou_net."),
        config="configs/_base_/models/atom.py",
    ),
)
"""The most special first: each is told by what those after it do not have.

Marks are names of the published files and, where these differ, of converted ones.
"""
