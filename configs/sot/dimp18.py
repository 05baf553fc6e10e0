"""DiMP with ResNet-18 as published, which follows what boxes are drawn around."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/dimp18.py",
    "../_base_/box_trackers/dimp.py",
    "../_base_/datasets/target_clips.py",
    "../_base_/schedules/dimp.py",
    "../_base_/default_runtime.py",
]

train_dataloader = dict(batch_size=26)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={"backbone": dict(lr_mult=1.0), "iou_net": dict(lr_mult=5.0)})
)
