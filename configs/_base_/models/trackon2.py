"""Track-On2 with DINOv2 ViT-S: 384x512, a memory of 24 frames, as published."""

model = dict(
    type="TrackOn2",
    backbone=dict(
        type="Dinov2Adapter",
        embed_dims=384,
        depth=12,
        num_heads=6,
        adapter_heads=6,
        recompute=True,
    ),
    input_size=(384, 512),
    stride=4,
    embed_dims=256,
    layer=dict(num_heads=4, dropout=0.1),
    decoder_layers=3,
    slots=24,
    reranking=dict(k=16, layers=3),
    prediction=dict(layers=3, reach=4.0),
    losses=dict(type="RankedPointLosses", far=12.0),
    mask_ratio=0.1,
    test_cfg=dict(memory=72, visibility_threshold=0.8, support_grid=20),
)
