"""Stage 3 in the mini world: the embedding head learns from image pairs, detector frozen."""

_base_ = [
    "../_base_/models/mini_ovtrack.py",
    "../_base_/datasets/mini_pairs.py",
    "../_base_/schedules/mini_5e.py",
    "../_base_/systems/ovtrack.py",
    "../_base_/default_runtime.py",
]

default_checkpoint = "saved_models/mini/ovtrack_mini.safetensors"
load_from = "work_dirs/quickstart/detector/epoch_8.pth"
