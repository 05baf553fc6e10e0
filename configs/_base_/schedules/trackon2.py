"""AdamW of Track-On2: as that of Track-On v1, over 200 epochs."""

_base_ = "trackon.py"

max_epochs = 200
warm_up = 0.01 * max_epochs
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type="WarmupLR", start_factor=1e-5, end=0.01 * max_epochs, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", begin=0.01 * max_epochs, convert_to_iter_based=True),
]
