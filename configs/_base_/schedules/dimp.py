"""Adam of DiMP: 50 epochs, a fifth of the rate every 15, and a rate for each part."""

train_cfg = dict(type="ResumableEpochLoop", max_epochs=50, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="Adam", lr=2e-4),
    paramwise_cfg=dict(
        custom_keys={
            "backbone": dict(lr_mult=0.1),
            "classifier.feature_extractor": dict(lr_mult=0.25),
            "classifier.filter_initializer": dict(lr_mult=0.25),
            "classifier.filter_optimizer": dict(lr_mult=2.5),
        }
    ),
)
param_scheduler = [dict(type="StepLR", step_size=15, gamma=0.2)]
