"""Track-On v1 as published: DINOv2 ViT-S with an adapter, trained on MOVi-F, tested on DAVIS."""

_base_ = [
    "../_base_/systems/point.py",
    "../_base_/models/trackon.py",
    "../_base_/datasets/movi_f.py",
    "../_base_/datasets/tapvid_davis.py",
    "../_base_/schedules/trackon.py",
    "../_base_/default_runtime.py",
]

# Four times as many frames as it was trained to remember.
model = dict(test_cfg=dict(memory=48))
online = dict(type="PointTracker")
randomness = dict(seed=1234)
