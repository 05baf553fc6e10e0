"""KeepTrack's fast form as published: smaller search areas, fewer candidates and steps."""

_base_ = "./keep_track.py"

online = dict(
    side=352,
    extent=6.0,
    # A quarter of the target's side, of which a search area has six.
    learning=dict(label_sigma=1 / 24),
    candidates=dict(threshold=0.1),
    refinement=dict(steps=3),
)
