"""Track-On v1 tested on TAP-Vid-Kinetics: a memory of 96 frames."""

_base_ = [
    "../_base_/systems/point.py",
    "../_base_/models/trackon.py",
    "../_base_/datasets/tapvid_kinetics.py",
    "../_base_/default_runtime.py",
]

model = dict(test_cfg=dict(memory=96))
online = dict(type="PointTracker")
