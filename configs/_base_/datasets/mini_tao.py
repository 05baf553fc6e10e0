"""TAO-style validation of the mini world."""

data_root = "work_dirs/quickstart/world/"
frame_scale = (256, 192)
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
clip_meta_keys = (
    "img_id",
    "img_path",
    "ori_shape",
    "img_shape",
    "scale_factor",
    "homography_matrix",
    "video",
    "frame_index",
    "clip_length",
)

test_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="Resize", scale=frame_scale, keep_ratio=True),
    dict(type="PackDetInputs", meta_keys=frame_meta_keys),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="VideoSampler"),
    dataset=dict(
        type="TaoVideoDataset",
        data_root=data_root,
        ann_file="tao/annotations/validation.json",
        data_prefix=dict(img="tao/frames"),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_cfg = dict(type="TestLoop")
# During training, from the epoch train_cfg.val_begin on; the results lie in the work directory.
val_dataloader = test_dataloader
val_evaluator = dict(
    type="TaoTrackMetric",
    ann_file=data_root + "tao/annotations/validation.json",
    vocabulary="{{ fileDirname }}/../../mini/vocabulary.json",
)
val_cfg = dict(type="ValLoop")
test_evaluator = dict(val_evaluator, out_dir="results/mini")
custom_hooks = [dict(type="ContinueTestHook")]
