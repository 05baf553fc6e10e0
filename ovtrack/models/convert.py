"""Key names of released OVTrack and VOVTrack checkpoints, translated to ours."""

from __future__ import annotations

from torch import Tensor

from detpro.models.convert import rename_keys

RENAMED_PREFIXES = {"roi_head.track_head.": "track_head."}
DROPPED_PREFIXES = ("roi_head.mask_head.",)
"""A tracker started from a detector has no use for its mask head."""


def convert_tracker_keys(state_dict: dict[str, Tensor]) -> None:
    """Translate the key names of a released tracker, in place; ours pass unchanged."""
    rename_keys(state_dict, RENAMED_PREFIXES, DROPPED_PREFIXES)
