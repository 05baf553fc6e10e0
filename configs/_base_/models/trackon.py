"""Track-On v1: DINOv2 ViT-S with an adapter, 384x512, a memory of 12 frames, as published."""

model = dict(
    type="TrackOn",
    backbone=dict(type="ViTAdapter", embed_dims=384, depth=12, num_heads=6),
    input_size=(384, 512),
    stride=4,
    embed_dims=256,
    layer=dict(num_heads=8, dropout=0.1),
    query_decoder=dict(layers=3, slots=12),
    spatial_memory=dict(slots=12, writer_layers=3, self_layers=1, cross_layers=1),
    rerank=dict(k=16, layers=3, fusion_layers=1, level4="legacy"),
    offset_head=dict(layers=3, reach=4.0),
    losses=dict(type="PointLosses"),
    mask_ratio=0.1,
    test_cfg=dict(visibility_threshold=0.8, support_grid=20),
)
