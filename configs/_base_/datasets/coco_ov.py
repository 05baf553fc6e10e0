"""Open-vocabulary COCO: 48 base classes to train on, 17 novel ones more to evaluate.

The 15 further classes that training hides too are never tested, so no vocabulary here has them.
'vovtrack features' makes the bank of the training images.
"""

_base_ = "lvis_v1.py"

vocabulary = "coco_65"
data_root = "data/coco/"

train_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="LoadRegionFeatures", bank=data_root + "features/train", max_regions=None),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    {{_base_.resize}},
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackRegionInputs"),
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="OpenVocabLVISDataset",
        visible="base",
        vocabulary=vocabulary,
        data_root=data_root,
        ann_file="annotations/instances_train2017.json",
        data_prefix=dict(img="train2017"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        vocabulary=vocabulary,
        data_root=data_root,
        ann_file="annotations/instances_val2017.json",
        data_prefix=dict(img="val2017"),
    ),
)
val_evaluator = dict(
    type="CocoDetectionMetric",
    ann_file=data_root + "annotations/instances_val2017.json",
    vocabulary=vocabulary,
    out_dir="results/ov_coco",
)
test_dataloader = val_dataloader
test_evaluator = val_evaluator
