"""Frames of one target as super DiMP learns from: farther apart, and in larger areas."""

_base_ = "target_clips.py"

side = 352
inside = dict(area=6.0, output=side, border="inside_major", max_shrink=1.5, mirror=0.5)
target_pipeline = [
    dict(type="LoadTargetFrames"),
    dict(type="GreyTargets"),
    dict(type="MirrorTargets"),
    dict(type="CutSearchAreas", part="train", centre_jitter=3.0, scale_jitter=0.25, **inside),
    dict(type="CutSearchAreas", part="test", centre_jitter=5.5, scale_jitter=0.5, **inside),
    dict(type="DrawDensityBoxes", count=128),
    dict(type="LabelCentres", size=22, sigma_factor=1 / 24),
    dict(type="PackTargets"),
]
train_dataloader = dict(
    batch_size=20,
    dataset=dict(
        weights=[1, 1, 0.25, 0.25, 0.25, 0.25, 1],
        gaps=dict(max_gap=200),
        samples=40_000,
        pipeline=target_pipeline,
    ),
)
