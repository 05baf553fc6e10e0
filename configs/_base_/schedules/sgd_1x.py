"""mmdet's schedule of 12 epochs, with steps after 8 and 11, for batches of 16."""

_base_ = "sgd_lvis.py"

train_cfg = dict(max_epochs=12, val_interval=1)
optim_wrapper = dict(optimizer=dict(weight_decay=1e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=501),
    dict(type="MultiStepLR", milestones=[8, 11], gamma=0.1, by_epoch=True),
]
