"""SGD of detector training on LVIS: 20 epochs, a step after 16, warm-up of 500 iterations."""

train_cfg = dict(type="ResumableEpochLoop", max_epochs=20, val_interval=2)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.02, momentum=0.9, weight_decay=2.5e-5),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-3, by_epoch=False, begin=0, end=501),
    dict(type="MultiStepLR", milestones=[16], gamma=0.1, by_epoch=True),
]
# Batch statistics over all GPUs; processes on CPUs take their own and save the mean.
sync_bn = "torch"
