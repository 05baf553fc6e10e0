"""Clips of MOVi-F with points, in the layout of TAP-Vid-Kubric, augmented as published."""

data_root = "data/movi_f/"
input_size = (384, 512)
clip_pipeline = [
    dict(type="LoadPointClip", length=24),
    dict(type="EraseBoxes"),
    dict(type="ReplaceBoxes"),
    dict(type="JitterColours"),
    dict(type="BlurFrames"),
    dict(type="PadFrames"),
    dict(type="DriftScale", size=input_size),
    dict(type="DriftCrop", size=input_size),
    dict(type="MirrorFrames"),
    dict(type="PickPoints", most=480),
    dict(type="DrawQueries"),
    dict(type="PackPointClip"),
]
train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(type="MoviFDataset", data_root=data_root, pipeline=clip_pipeline),
)
