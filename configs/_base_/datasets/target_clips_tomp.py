"""Frames of one target as ToMP learns from: two to learn it in, one to find it in."""

_base_ = "target_clips_far.py"

side = 288
inside = dict(area=5.0, output=side, border="inside_major", max_shrink=1.5, mirror=0.5)
target_pipeline = [
    dict(type="LoadTargetFrames"),
    dict(type="GreyTargets"),
    dict(type="MirrorTargets"),
    dict(type="CutSearchAreas", part="train", **inside),
    dict(type="CutSearchAreas", part="test", centre_jitter=4.5, scale_jitter=0.5, **inside),
    dict(type="LabelCentres", size=18, sigma_factor=0.05, filter_size=1),
    dict(type="LabelSides", size=18),
    dict(type="PackTargets"),
]
train_dataloader = dict(
    batch_size=36, dataset=dict(gaps=dict(train=2, test=1), pipeline=target_pipeline)
)
