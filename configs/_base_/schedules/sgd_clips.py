"""SGD of stage 4 as released: a learning rate of 1e-7, at which the head hardly moves."""

train_cfg = dict(type="ResumableEpochLoop", max_epochs=20, val_begin=999, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=1e-7, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=1001),
    dict(type="MultiStepLR", milestones=[3, 6], gamma=0.1, by_epoch=True),
]
# Batch statistics over all GPUs; processes on CPUs take their own and save the mean.
sync_bn = "torch"
