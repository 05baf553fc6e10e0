"""Open-vocabulary Pascal VOC: training on the first 15 classes, test on all 20, boxes only."""

_base_ = "ov_coco_20e.py"

vocabulary = "voc"
data_root = "data/voc/"
frame_scale = (1000, 600)

model = dict(
    vocabulary=vocabulary,
    roi_head=dict(
        classifier=dict(text_bank="saved_models/pretrained_models/voc.safetensors"),
        score_rule=dict(detect=0.05),
        mask_head=None,
    ),
)
train_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="LoadRegionFeatures", bank=data_root + "features/train", max_regions=None),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=frame_scale, keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackRegionInputs"),
]
train_dataloader = dict(
    dataset=dict(
        vocabulary=vocabulary,
        data_root=data_root,
        ann_file="annotations/voc0712_trainval.json",
        data_prefix=dict(img=""),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        vocabulary=vocabulary,
        data_root=data_root,
        ann_file="annotations/voc07_test.json",
        data_prefix=dict(img="VOC2007/JPEGImages"),
        pipeline=[
            dict(type="LoadCheckedImage"),
            dict(type="Resize", scale=frame_scale, keep_ratio=True),
            dict(type="PackDetInputs"),
        ],
    )
)
val_evaluator = dict(
    ann_file=data_root + "annotations/voc07_test.json",
    vocabulary=vocabulary,
    out_dir="results/ov_voc",
    iou_types=("bbox",),
)
test_dataloader = val_dataloader
test_evaluator = val_evaluator
