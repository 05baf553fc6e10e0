"""Image pairs of the mini world, each view augmented on its own."""

_base_ = ["mini_tao.py", "pairs.py"]

train_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="LoadTrackAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(
        type="RandomResize", scale={{_base_.frame_scale}}, ratio_range=(0.7, 1.4), keep_ratio=True
    ),
    dict(type="YOLOXHSVRandomAug"),
    dict(type="PackIdentityInputs"),
]
train_dataloader = dict(
    num_workers=2,
    dataset=dict(
        type="ImagePairDataset",
        data_root={{_base_.data_root}},
        ann_file="pairs/annotations/train.json",
        data_prefix=dict(img="pairs/images"),
        pipeline=train_pipeline,
    ),
)
