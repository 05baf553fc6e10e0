"""TAO-style validation of the mini world."""

_base_ = "tao_ov.py"

data_root = "work_dirs/quickstart/world/"
frame_scale = (256, 192)

test_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="Resize", scale=frame_scale, keep_ratio=True),
    dict(type="PackDetInputs", meta_keys={{_base_.frame_meta_keys}}),
]
test_dataloader = dict(
    num_workers=1,
    dataset=dict(
        data_root=data_root,
        ann_file="tao/annotations/validation.json",
        data_prefix=dict(img="tao/frames"),
        pipeline=test_pipeline,
    ),
)
val_dataloader = test_dataloader
val_evaluator = dict(
    ann_file=data_root + "tao/annotations/validation.json",
    vocabulary="{{ fileDirname }}/../../mini/vocabulary.json",
)
test_evaluator = dict(val_evaluator, out_dir="results/mini")
