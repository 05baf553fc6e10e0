"""A detector of LVIS tested on Pascal VOC's 20 classes, annotated in COCO's form."""

_base_ = "coco.py"

model = dict(
    vocabulary="voc",
    roi_head=dict(
        classifier=dict(text_bank="saved_models/pretrained_models/voc.safetensors"),
        score_rule=dict(detect=0.05),
    ),
    test_cfg=dict(rcnn=dict(max_per_img=100)),
)
test_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="Resize", scale=(1000, 600), keep_ratio=True),
    dict(type="PackDetInputs"),
]
test_dataloader = dict(
    dataset=dict(
        vocabulary="voc",
        data_root="data/voc/",
        ann_file="annotations/voc07_test.json",
        data_prefix=dict(img="VOC2007/JPEGImages"),
        pipeline=test_pipeline,
    )
)
test_evaluator = dict(
    ann_file="data/voc/annotations/voc07_test.json", vocabulary="voc", out_dir="results/voc"
)
