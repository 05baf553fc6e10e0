"""DiMP with ResNet-50 as published, which follows what boxes are drawn around."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/dimp50.py",
    "../_base_/box_trackers/dimp.py",
]
