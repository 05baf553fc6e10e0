"""DiMP with ResNet-18 as published, which follows what boxes are drawn around."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/dimp18.py",
    "../_base_/box_trackers/dimp.py",
]
