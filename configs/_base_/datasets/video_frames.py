"""How a tracker is tested: frames of videos in order of time."""

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
    dataset=dict(pipeline=test_pipeline, test_mode=True),
)
test_cfg = dict(type="TestLoop")
val_dataloader = test_dataloader
val_cfg = dict(type="ValLoop")
custom_hooks = [dict(type="ContinueTestHook")]
