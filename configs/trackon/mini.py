"""Track-On from scratch in minutes, on rendered clips of 96x128.

    vovtrack synth --format movi --videos 480 --frames 12 --width 160 --height 120 \
      --out work_dirs/trackon/world
    vovtrack train configs/trackon/mini.py --work-dir work_dirs/trackon/run

Whether it learns: tools/benchmarks/point_learning.
"""

_base_ = [
    "../_base_/systems/point.py",
    "../_base_/models/trackon.py",
    "../_base_/datasets/movi_f.py",
    "../_base_/schedules/mini_5e.py",
    "../_base_/default_runtime.py",
]

input_size = (96, 128)
model = dict(
    backbone=dict(_delete_=True, type="ResidualEncoder", embed_dims=64, blocks=3),
    input_size=input_size,
    embed_dims=64,
    layer=dict(num_heads=4, dropout=0.0),
    query_decoder=dict(layers=2, slots=6),
    spatial_memory=dict(slots=6, writer_layers=1),
    rerank=dict(k=8, layers=1, level4="pooled"),
    offset_head=dict(layers=2),
    test_cfg=dict(visibility_threshold=0.5, support_grid=5),
    matcher=True,
)
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(
        data_root="work_dirs/trackon/world",
        pipeline=[
            dict(type="LoadPointClip", length=8),
            dict(type="JitterColours"),
            dict(type="DriftScale", size=input_size, factors=(0.85, 1.15), drift=0.03),
            dict(type="DriftCrop", size=input_size, drift=4),
            dict(type="MirrorFrames"),
            dict(type="PickPoints", most=32),
            dict(type="DrawQueries"),
            dict(type="PackPointClip"),
        ],
    ),
)

optim_wrapper = dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=1.0))
default_checkpoint = "saved_models/mini/trackon_mini.safetensors"
online = dict(type="PointTracker")
