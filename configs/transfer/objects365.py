"""A detector of LVIS tested on the 365 classes of Objects365, without training."""

_base_ = "coco.py"

model = dict(
    vocabulary="objects365",
    roi_head=dict(
        classifier=dict(text_bank="saved_models/pretrained_models/objects365.safetensors"),
        score_rule=dict(detect=0.003),
    ),
    test_cfg=dict(rcnn=dict(max_per_img=300)),
)
test_dataloader = dict(
    dataset=dict(
        vocabulary="objects365",
        data_root="data/objects365/",
        ann_file="annotations/objects365_val.json",
        data_prefix=dict(img="val"),
    )
)
test_evaluator = dict(
    ann_file="data/objects365/annotations/objects365_val.json",
    vocabulary="objects365",
    out_dir="results/objects365",
)
