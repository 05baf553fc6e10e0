"""ATOM with ResNet-18: filters learned by conjugate gradients, boxes by their foretold overlap."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/atom.py",
    "../_base_/box_trackers/atom.py",
    "../_base_/datasets/target_clips_atom.py",
    "../_base_/schedules/atom.py",
    "../_base_/default_runtime.py",
]
