"""TAO open-vocabulary validation, annotated frames only."""

data_root = "data/tao/"
frame_scale = (1333, 800)
frame_meta_keys = (
    "img_id",
    "img_path",
    "ori_shape",
    "img_shape",
    "scale_factor",
    "video_id",
    "frame_id",
    "video_length",
)

test_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="Resize", scale=frame_scale, keep_ratio=True),
    dict(type="PackDetInputs", meta_keys=frame_meta_keys),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=3,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="VideoSampler"),
    # With batch_size above 1: frames of one video, so that no other video decides the padding.
    batch_sampler=dict(type="VideoBatchSampler"),
    dataset=dict(
        type="TaoVideoDataset",
        data_root=data_root,
        ann_file="annotations/validation_ours_v1.json",
        data_prefix=dict(img="frames"),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_cfg = dict(type="TestLoop")
# During training, from the epoch train_cfg.val_begin on; the results lie in the work directory.
val_dataloader = test_dataloader
val_evaluator = dict(
    type="TaoTrackMetric",
    ann_file=data_root + "annotations/validation_ours_v1.json",
    vocabulary="tao_validation",
)
val_cfg = dict(type="ValLoop")
test_evaluator = dict(val_evaluator, out_dir="results/tao_validation")
custom_hooks = [dict(type="ContinueTestHook")]
