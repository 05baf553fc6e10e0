"""Open-vocabulary COCO: stage 1 on the 48 base classes, AP50 of base and of 17 novel classes.

Schedule and losses are those of LVIS: the published code has the split, but says no recipe.
"""

_base_ = [
    "../_base_/models/detpro_r50.py",
    "../_base_/datasets/coco_ov.py",
    "../_base_/schedules/sgd_lvis.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]

model = dict(
    vocabulary={{_base_.vocabulary}},
    roi_head=dict(
        classifier=dict(text_bank="saved_models/pretrained_models/coco.safetensors"),
        score_rule=dict(detect=0.01),
    ),
    test_cfg=dict(rcnn=dict(max_per_img=100)),
)
load_from = "saved_models/pretrained_models/soco_r50_fpn.safetensors"
