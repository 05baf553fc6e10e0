"""Track-On2 from scratch in minutes, on the rendered clips of mini.py."""

_base_ = ["mini.py"]

model = dict(
    _delete_=True,
    type="TrackOn2",
    backbone=dict(type="ResidualEncoder", embed_dims=64, blocks=3, outputs=4),
    input_size=(96, 128),
    embed_dims=64,
    layer=dict(num_heads=4, dropout=0.0),
    decoder_layers=2,
    slots=6,
    reranking=dict(k=8, layers=1),
    prediction=dict(layers=2),
    losses=dict(type="RankedPointLosses"),
    test_cfg=dict(visibility_threshold=0.5, support_grid=5),
)
default_checkpoint = None
