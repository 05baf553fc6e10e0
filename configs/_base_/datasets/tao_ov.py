"""TAO open-vocabulary validation, annotated frames only."""

_base_ = "video_frames.py"

data_root = "data/tao/"
test_dataloader = dict(
    dataset=dict(
        type="TaoVideoDataset",
        data_root=data_root,
        ann_file="annotations/validation_ours_v1.json",
        data_prefix=dict(img="frames"),
    ),
)
# During training, from the epoch train_cfg.val_begin on; the results lie in the work directory.
val_dataloader = test_dataloader
val_evaluator = dict(
    type="TaoTrackMetric",
    ann_file=data_root + "annotations/validation_ours_v1.json",
    vocabulary="tao_validation",
)
test_evaluator = dict(val_evaluator, out_dir="results/tao_validation")
