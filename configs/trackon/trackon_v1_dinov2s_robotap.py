"""Track-On v1 tested on RoboTAP: a memory of 48 frames."""

_base_ = [
    "../_base_/systems/point.py",
    "../_base_/models/trackon.py",
    "../_base_/datasets/robotap.py",
    "../_base_/default_runtime.py",
]

model = dict(test_cfg=dict(memory=48))
online = dict(type="PointTracker")
