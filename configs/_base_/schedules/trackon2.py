"""AdamW of Track-On2: as that of Track-On v1, over 200 epochs."""

_base_ = "trackon.py"

train_cfg = dict(max_epochs=200)
param_scheduler = [
    dict(type="WarmupLR", start_factor=1e-5, end=2.0, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", begin=2.0, convert_to_iter_based=True),
]
