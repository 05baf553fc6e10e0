"""Super DiMP simple as published, whose filters have a fixed hinge."""

_base_ = [
    "../_base_/systems/sot.py",
    "../_base_/models/super_dimp_simple.py",
    "../_base_/box_trackers/super_dimp.py",
    "../_base_/datasets/target_clips_far.py",
    "../_base_/schedules/dimp.py",
    "../_base_/default_runtime.py",
]

# A quarter of the target's side, of which a search area has six.
online = dict(learning=dict(label_sigma=1 / 24))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={"iou_net": dict(lr_mult=5.0)}))
