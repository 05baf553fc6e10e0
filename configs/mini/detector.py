"""Detector of the mini world: base classes of the LVIS-style stills."""

_base_ = [
    "../_base_/models/mini_detector.py",
    "../_base_/datasets/mini_lvis_eval.py",
    "../_base_/schedules/mini.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]

# The backbone is the image tower of the mini CLIP: it knows already, and learns on slowly.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.3))))
