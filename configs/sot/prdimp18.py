"""PrDiMP with ResNet-18 as published: DiMP whose scores are probabilities of places."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/prdimp18.py",
    "../_base_/box_trackers/prdimp.py",
    "../_base_/datasets/target_clips_prdimp.py",
    "../_base_/schedules/prdimp.py",
    "../_base_/default_runtime.py",
]
