"""TAO open-vocabulary validation, annotated frames only."""

_base_ = "mini_tao.py"

data_root = "data/tao/"
frame_scale = (1333, 800)

test_dataloader = dict(
    num_workers=3,
    dataset=dict(
        data_root=data_root,
        ann_file="annotations/validation_ours_v1.json",
        data_prefix=dict(img="frames"),
        pipeline=[
            dict(type="LoadCheckedImage"),
            dict(type="Resize", scale=frame_scale, keep_ratio=True),
            dict(type="PackDetInputs", meta_keys={{_base_.frame_meta_keys}}),
        ],
    ),
)
val_dataloader = test_dataloader
val_evaluator = dict(
    ann_file=data_root + "annotations/validation_ours_v1.json", vocabulary="tao_validation"
)
test_evaluator = dict(val_evaluator, out_dir="results/tao_validation")
