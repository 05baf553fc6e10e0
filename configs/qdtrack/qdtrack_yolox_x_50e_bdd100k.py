"""QDTrack with YOLOX-x on BDD100K, 8 GPUs x 8 pairs, as released: 25 epochs of a plan for 50.

Published: 42.3 mMOTA, 55.1 mIDF1 and 9164 switches on the validation videos. The switch to clean
images and an L1 loss is planned for epoch 40, which the published training does not reach.
"""

_base_ = [
    "../_base_/models/qdtrack_yolox_x.py",
    "../_base_/datasets/bdd100k_strong_released.py",
    "../_base_/schedules/qdtrack_yolox.py",
    "../_base_/default_runtime.py",
]

load_from = "saved_models/pretrained_models/yolox_x_8x8_300e_coco_20211126_140254-1ef88d67.pth"
frame_scale = (1440, 800)
model = dict(
    vocabulary={{_base_.classes}}, pair_sampler=dict(sampler=dict(released_positives=True))
)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        mix=dict(
            steps=dict(
                mosaic=dict(img_scale=frame_scale),
                affine=dict(border=(-frame_scale[0] // 2, -frame_scale[1] // 2)),
            )
        ),
        pipeline=dict(resize=dict(scale=frame_scale), crop=dict(crop_size=frame_scale)),
    ),
)
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="LoadCheckedImage"),
            dict(type="FitResize", scale=frame_scale, as_float=True),
            dict(type="PackDetInputs", meta_keys={{_base_.frame_meta_keys}}),
        ]
    )
)
val_dataloader = test_dataloader
default_hooks = dict(
    checkpoint=dict(interval=5, max_keep_ckpts=5),
    stop_mixing=dict(type="StopMixingHook", epoch=40, l1=True),
    # Statistics of all processes, before the averaged weights are tested.
    sync_norm=dict(type="mmdet.SyncNormHook", priority=48),
    average=dict(
        type="EMAHook",
        ema_type="mmdet.ExpMomentumEMA",
        momentum=0.0002,
        gamma=2000,
        update_buffers=True,
        priority=49,
    ),
)
