"""Adam of KeepTrack's matcher: 15 epochs, a fifth of the rate every 6."""

train_cfg = dict(type="ResumableEpochLoop", max_epochs=15, val_interval=1)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-4))
param_scheduler = [dict(type="StepLR", step_size=6, gamma=0.2)]
