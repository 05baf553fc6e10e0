"""Names of the published weights: ours, but for what data-parallel training puts before them."""

from vovtrack.engine.weights.conversion import Layout
from vovtrack.engine.weights.key_map import KeyMap

TRACK_ON_KEYS = KeyMap()

TRACK_ON = Layout(
    name="trackon",
    what="Track-On v1",
    keys=TRACK_ON_KEYS,
    marks=("sm_query_updater.",),
    config="configs/_base_/models/trackon.py",
    notes=("The memory is that of training; longer ones are a setting, not a part of the file.",),
)

_GIVEN_ON_REQUEST = "backbone.vit_encoder.dinov3."
TRACK_ON2 = (
    Layout(
        name="trackon2-dinov2s",
        what="Track-On2 with DINOv2 ViT-S",
        keys=TRACK_ON_KEYS,
        marks=("backbone.vit_encoder.dinov2.",),
        config="configs/trackon/trackon2_dinov2s.py",
    ),
    Layout(
        name="trackon2-dinov2b",
        what="Track-On2 with DINOv2 ViT-B",
        keys=TRACK_ON_KEYS,
        marks=("backbone.vit_encoder.dinov2.",),
        config="configs/trackon/trackon2_dinov2b.py",
    ),
    Layout(
        name="trackon2-dinov3s-plus",
        what="Track-On2 or Track-On-R with DINOv3 ViT-S+",
        keys=TRACK_ON_KEYS,
        marks=("reranking_head.",),
        config="configs/trackon/trackon2_dinov3s_plus.py",
        optional=(_GIVEN_ON_REQUEST,),
        notes=(
            "The published files leave out DINOv3, which its authors give on request: name its own "
            "file by model.backbone.pretrained.",
        ),
    ),
)
"""Of the two DINOv2, which only differ in size, the published one is found by its keys."""
