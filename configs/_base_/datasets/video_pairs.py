"""Pairs of frames of annotated videos, flipped and resized; tested frame by frame.

Configs of a dataset set data_root, ann_file and data_prefix, and may set frame_scale and the two
pipelines.
"""

_base_ = ["video_frames.py", "pairs.py"]

frame_scale = (1280, 720)
resize = dict(type="Resize", scale=frame_scale, keep_ratio=True)
train_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="LoadTrackAnnotations"),
    resize,
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackIdentityInputs"),
]
test_pipeline = [
    dict(type="LoadCheckedImage"),
    resize,
    dict(type="PackDetInputs", meta_keys={{_base_.frame_meta_keys}}),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    dataset=dict(
        type="VideoDataset",
        pick=dict(type="NearbyFrames", scope=3),
        skip_empty=True,
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(dataset=dict(type="VideoDataset", pipeline=test_pipeline))
val_dataloader = test_dataloader
