"""Proposals of stage 1: an RPN that sees boxes of base classes only, without their names.

mmdet's rpn_r101_fpn_1x on LVIS, 4 GPUs x 4 images; the released proposals come from such a network,
whose exact recipe was not published. Validation counts how many objects the proposals cover.
"""

_base_ = [
    "../_base_/models/rpn_r101.py",
    "../_base_/datasets/lvis_v1.py",
    "../_base_/schedules/sgd_1x.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]

train_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale={{_base_.frame_scale}}, keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        _delete_=True,
        type="OpenVocabLVISDataset",
        visible="base",
        data_root={{_base_.data_root}},
        ann_file="annotations/lvis_v1_train.json",
        data_prefix=dict(img=""),
        pipeline=train_pipeline,
    ),
)
val_evaluator = dict(
    _delete_=True,
    type="ProposalRecallMetric",
    ann_file="data/lvis_v1/annotations/lvis_v1_val.json",
)
test_evaluator = val_evaluator
