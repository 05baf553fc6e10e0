"""AdamW with a short warm-up and a cosine, for training from scratch on a CPU."""

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=10.0),
)
train_cfg = dict(type="ResumableEpochLoop", max_epochs=8, val_begin=9999, val_interval=1)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(
        type="CosineAnnealingLR", T_max=8, eta_min=1e-5, by_epoch=True, convert_to_iter_based=True
    ),
]
