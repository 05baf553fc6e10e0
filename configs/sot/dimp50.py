"""DiMP with ResNet-50 as published, which follows what boxes are drawn around."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/dimp50.py",
    "../_base_/box_trackers/dimp.py",
    "../_base_/datasets/target_clips.py",
    "../_base_/schedules/dimp.py",
    "../_base_/default_runtime.py",
]
