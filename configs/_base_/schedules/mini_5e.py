"""Five epochs of the mini world, for what starts from trained parts."""

_base_ = "mini.py"

train_cfg = dict(max_epochs=5)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", T_max=5, eta_min=1e-5, convert_to_iter_based=True),
]
