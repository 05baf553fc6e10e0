"""SGD of QDTrack on YOLOX: 25 epochs of a schedule laid out for 50, in float16.

Quadratic warm-up of an epoch, a cosine until epoch 40, constant from there: the published training
ends at 0.36 of its rate. The rate is for 64 pairs, the 8 GPUs of the published command; with others
it is scaled in proportion, which the log says.
"""

train_cfg = dict(type="ResumableEpochLoop", max_epochs=25, val_interval=5)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.001, momentum=0.9, weight_decay=5e-4, nesterov=True),
    # Norms and biases of the detector do not decay, those of the embedding head do.
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys=dict(track_head=dict(decay_mult=1.0)),
    ),
)
param_scheduler = [
    dict(type="mmdet.QuadraticWarmupLR", by_epoch=True, begin=0, end=1, convert_to_iter_based=True),
    dict(
        type="CosineAnnealingLR",
        eta_min_ratio=0.05,
        T_max=39,
        by_epoch=True,
        begin=1,
        end=40,
        convert_to_iter_based=True,
    ),
    dict(type="ConstantLR", factor=1, by_epoch=True, begin=40, end=50),
]
# As by 'vovtrack train --amp fp16', which a GPU is needed for; another word there goes before.
amp = "fp16"
auto_scale_lr = dict(enable=True, base_batch_size=64)
