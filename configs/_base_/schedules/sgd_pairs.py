"""SGD of stage 3: warm-up of 1000 iterations, steps after epochs 3 and 5."""

train_cfg = dict(type="ResumableEpochLoop", max_epochs=10, val_begin=9999, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.02, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=1001),
    dict(type="MultiStepLR", milestones=[3, 5, 10], gamma=0.1, by_epoch=True),
]
# Batch statistics over all GPUs; processes on CPUs take their own and save the mean.
sync_bn = "torch"
