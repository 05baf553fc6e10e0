"""AdamW of ToMP: 300 epochs, a fifth of the rate after 150 and 250, less for the backbone."""

_base_ = "dimp.py"

train_cfg = dict(max_epochs=300)
optim_wrapper = dict(
    optimizer=dict(type="AdamW", lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(_delete_=True, custom_keys={"backbone": dict(lr_mult=0.2)}),
)
param_scheduler = [dict(type="MultiStepLR", milestones=[150, 250], gamma=0.2)]
