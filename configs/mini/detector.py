"""Detector of the mini world: base classes of the LVIS-style stills."""

_base_ = [
    "../_base_/models/mini_detector.py",
    "../_base_/datasets/mini_lvis_eval.py",
    "../_base_/schedules/mini.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]
