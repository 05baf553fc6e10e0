"""ToMP with ResNet-101 as published: a transformer predicts filters and boxes."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/tomp101.py",
    "../_base_/box_trackers/tomp.py",
    "../_base_/datasets/target_clips_tomp.py",
    "../_base_/schedules/tomp.py",
    "../_base_/default_runtime.py",
]
