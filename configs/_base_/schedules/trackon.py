"""AdamW of Track-On: 150 epochs, warm-up over 1 % of the steps, then a cosine to 0, in float16.

The rate is for 32 clips, one on each of 32 GPUs. With fewer, optim_wrapper.accumulative_counts=N
sums the gradients of N steps.
"""

max_epochs = 150
warm_up = 1.5
train_cfg = dict(type="ResumableEpochLoop", max_epochs=max_epochs, val_interval=1)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=5e-4, weight_decay=1e-5),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type="WarmupLR", start_factor=1e-5, end=warm_up, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", begin=warm_up, convert_to_iter_based=True),
]
# As by 'vovtrack train --amp fp16', which a GPU is needed for; another word there goes before.
amp = "fp16"
# Layers of the image network that no map comes from have no gradient.
find_unused_parameters = True
