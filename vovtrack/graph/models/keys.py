"""Names of published weights; those of the graph network are ours."""

from vovtrack.engine.weights.key_map import KeyMap

REID_KEYS = KeyMap(
    renamed={"heads.bottleneck.0.": "bottleneck.", "heads.bnneck.": "bottleneck."},
    dropped={
        "heads.weight": "the classifier of the people it was trained on, which is never asked",
        "pixel_": "mean and deviation of images, which are arguments here",
    },
)
