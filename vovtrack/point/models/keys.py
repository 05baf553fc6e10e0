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
