"""Raw clips of the mini world, a domain of other textures, blur and light."""

_base_ = ["mini_tao.py", "snippets.py"]

train_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="RandomFlip", prob=0.5),
    dict(
        type="RandomResize", scale={{_base_.frame_scale}}, ratio_range=(0.8, 1.25), keep_ratio=True
    ),
    dict(type="YOLOXHSVRandomAug"),
    dict(type="PackIdentityInputs", meta_keys={{_base_.snippet_meta_keys}}),
]
train_dataloader = dict(
    num_workers=2,
    dataset=dict(
        type="RepeatDataset",
        times=4,
        dataset=dict(
            type="RawSnippetDataset",
            data_root={{_base_.data_root}},
            folders=["raw/MiniWorld"],
            pipeline=train_pipeline,
        ),
    ),
)
