"""Super DiMP simple as published, whose filters have a fixed hinge."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/super_dimp_simple.py",
    "../_base_/box_trackers/super_dimp.py",
]

# A quarter of the target's side, of which a search area has six.
online = dict(learning=dict(label_sigma=1 / 24))
