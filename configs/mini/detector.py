"""Detector of the mini world: base classes of the LVIS-style stills."""

_base_ = [
    "../_base_/models/mini_detector.py",
    "../_base_/datasets/mini_lvis.py",
    "../_base_/default_runtime.py",
]

train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=16, val_interval=9999)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(
        type="CosineAnnealingLR", T_max=16, eta_min=1e-5, by_epoch=True, convert_to_iter_based=True
    ),
]
