"""Key names of OVTrack and VOVTrack checkpoints, and what becomes of them here."""

from __future__ import annotations

from detpro.models.key_map import DETECTOR_KEYS, EMBED_KEYS
from ovtrack.models.embedding_tracker import EmbeddingTracker
from vovtrack.engine.weights.conversion import Layout
from vovtrack.engine.weights.key_map import KeyMap

TRACKER_KEYS = KeyMap(
    renamed={
        "roi_head.track_head.": "track_head.",
        **{old: f"detector.{new}" for old, new in DETECTOR_KEYS.renamed.items()},
        **EmbeddingTracker.key_map.renamed,
    },
    dropped={
        **DETECTOR_KEYS.dropped,
        "roi_head.mask_head.": "a mask head, for which a tracker has no use",
    },
)

OVTRACK = Layout(
    name="ovtrack",
    what="tracker (stages 3 and 4)",
    keys=TRACKER_KEYS,
    marks=("roi_head.track_head.", "track_head."),
    config="configs/_base_/models/ovtrack_r50.py",
    stages={"ovtrack_pair": 3, "ovtrack_finetune_final": 4},
    embed_keys={**EMBED_KEYS, **{f"detector.{key}": axis for key, axis in EMBED_KEYS.items()}},
)
