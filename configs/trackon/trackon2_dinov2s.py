"""Track-On2 with DINOv2 ViT-S as published: trained on Kubric, tested on DAVIS."""

_base_ = [
    "../_base_/systems/point.py",
    "../_base_/models/trackon2.py",
    "../_base_/datasets/kubric_120.py",
    "../_base_/datasets/tapvid_davis.py",
    "../_base_/schedules/trackon2.py",
    "../_base_/default_runtime.py",
]

# On DAVIS no more frames than it was trained to remember; elsewhere, the base's 72.
model = dict(test_cfg=dict(memory=24))
online = dict(type="PointTracker")
randomness = dict(seed=1234)
