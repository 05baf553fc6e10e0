"""SGD of QDTrack on Faster R-CNN: 12 epochs, steps after 8 and 11, warm-up of 1000 iterations.

The rate is for 32 pairs, the 8 GPUs of the published command; with others it is scaled in
proportion, which the log says. (A comment of the released config has 16 for the same rate:
--cfg-options auto_scale_lr.base_batch_size=16.)
"""

_base_ = "sgd_1x.py"

train_cfg = dict(val_interval=1)
optim_wrapper = dict(clip_grad=dict(max_norm=35))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=1001),
    dict(type="MultiStepLR", milestones=[8, 11], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(enable=True, base_batch_size=32)
sync_bn = None
