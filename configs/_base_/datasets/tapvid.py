"""How a tracker of points is tested: asked about whole videos of 256 x 256 pixels."""

test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    prefetch_factor=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="VideoSampler"),
    dataset=dict(
        type="PointVideoDataset",
        mode="first",
        source_size=(256, 256),
        pipeline=[],
        test_mode=True,
    ),
)
test_cfg = dict(type="PointTestLoop")
custom_hooks = [dict(type="ContinueTestHook")]
test_evaluator = dict(type="PointTrackMetric")
