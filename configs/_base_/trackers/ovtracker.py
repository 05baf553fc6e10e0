"""OVTrack's association with the values of the published test command."""

_base_ = "../systems/ovtrack.py"

model = dict(
    tracker=dict(type="OVTracker", match_score_thr=0.33, memo_frames=30, momentum_embed=0.4)
)
