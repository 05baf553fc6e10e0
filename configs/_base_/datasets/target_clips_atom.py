"""Pairs of frames of one target as ATOM's network of boxes learns from."""

_base_ = "target_clips_far.py"

side = 288
padded = dict(area=5.0, output=side, border="pad")
target_pipeline = [
    dict(type="LoadTargetFrames"),
    dict(type="GreyTargets"),
    dict(type="CutSearchAreas", part="train", **padded),
    dict(type="CutSearchAreas", part="test", centre_jitter=4.5, scale_jitter=0.5, **padded),
    dict(type="DrawOverlapBoxes"),
    dict(type="PackTargets"),
]
train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        gaps=dict(train=1, test=1, max_gap=50, order="interval"),
        samples=64_000,
        pipeline=target_pipeline,
    ),
)
