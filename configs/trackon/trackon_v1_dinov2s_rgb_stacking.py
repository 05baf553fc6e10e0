"""Track-On v1 tested on TAP-Vid-RGB-Stacking: a memory of 80 frames, visible from 0.5 on."""

_base_ = [
    "../_base_/systems/point.py",
    "../_base_/models/trackon.py",
    "../_base_/datasets/tapvid_rgb_stacking.py",
    "../_base_/default_runtime.py",
]

model = dict(test_cfg=dict(memory=80, visibility_threshold=0.5))
online = dict(type="PointTracker")
