"""LVIS-style stills of the mini world: base classes for training, all for validation."""

data_root = "work_dirs/quickstart/world/"
frame_scale = (256, 192)

train_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomResize", scale=frame_scale, ratio_range=(0.8, 1.25), keep_ratio=True),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="OpenVocabLVISDataset",
        visible="base",
        data_root=data_root,
        ann_file="lvis/annotations/train.json",
        data_prefix=dict(img="lvis/images"),
        pipeline=train_pipeline,
    ),
)
