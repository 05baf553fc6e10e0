"""Frames of one target as PrDiMP learns from: with densities of its place and of its box.

Labels, proposals and gaps are the published ones. What is not at hand, jitter, sources and the
size of a batch, is that of ToMP and super DiMP.
"""

_base_ = "target_clips_far.py"

side = 288
inside = dict(area=5.0, output=side, border="inside_major", max_shrink=1.5, mirror=0.5)
target_pipeline = [
    dict(type="LoadTargetFrames"),
    dict(type="GreyTargets"),
    dict(type="MirrorTargets"),
    dict(type="CutSearchAreas", part="train", centre_jitter=3.0, scale_jitter=0.25, **inside),
    dict(type="CutSearchAreas", part="test", centre_jitter=4.5, scale_jitter=0.5, **inside),
    dict(type="DrawDensityBoxes", count=128),
    dict(type="LabelCentres", size=18, sigma_factor=0.05, density=True),
    dict(type="PackTargets"),
]
train_dataloader = dict(dataset=dict(pipeline=target_pipeline))
