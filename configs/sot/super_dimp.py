"""Super DiMP as published: DiMP in larger search areas."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/super_dimp.py",
    "../_base_/box_trackers/super_dimp.py",
    "../_base_/datasets/target_clips_far.py",
    "../_base_/schedules/dimp.py",
    "../_base_/default_runtime.py",
]

optim_wrapper = dict(paramwise_cfg=dict(custom_keys={"iou_net": dict(lr_mult=5.0)}))
