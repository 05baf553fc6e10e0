"""SGD of prompt learning: 6 epochs of batches of 512 and a cosine that steps by epoch."""

train_cfg = dict(type="ResumableEpochLoop", max_epochs=6, val_interval=1)
val_cfg = dict(type="ValLoop")
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=2e-3, momentum=0.0, weight_decay=0.0)
)
param_scheduler = [dict(type="CosineAnnealingLR", T_max=6, by_epoch=True)]
iou_bins = [(0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.1)]
"""Each bin learns a context of its own; 'vovtrack prompts train' puts them together."""
custom_hooks = [dict(type="BalanceClassesHook")]
