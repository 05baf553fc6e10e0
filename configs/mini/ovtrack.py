"""Stage 3 in the mini world: the embedding head learns from image pairs, detector frozen."""

_base_ = [
    "../_base_/models/mini_ovtrack.py",
    "../_base_/datasets/mini_pairs.py",
    "../_base_/schedules/mini.py",
    "../_base_/systems/ovtrack.py",
    "../_base_/default_runtime.py",
]

default_checkpoint = "saved_models/mini/ovtrack_mini.safetensors"
load_from = "work_dirs/quickstart/detector/epoch_8.pth"

train_cfg = dict(max_epochs=5)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", T_max=5, eta_min=1e-5, convert_to_iter_based=True),
]
