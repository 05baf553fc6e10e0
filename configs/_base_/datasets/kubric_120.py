"""Every second of 96 frames of CoTracker3's Kubric, which has 120, augmented as for Track-On2."""

_base_ = "movi_f.py"

data_root = "data/cotracker3_kubric/"
input_size = (384, 512)
clip_pipeline = [
    dict(type="LoadPointClip", length=48, step=2),
    dict(type="EraseBoxes"),
    dict(type="JitterColours"),
    dict(type="BlurFrames"),
    dict(type="PadFrames"),
    dict(type="DriftScale", size=input_size),
    dict(type="DriftCrop", size=input_size),
    dict(type="MirrorFrames"),
    dict(type="PickPoints", most=384, shown_in=(0, 0.5), or_in=(0.25, 0.75)),
    dict(type="DrawQueries"),
    dict(type="PackPointClip"),
]
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=clip_pipeline))
