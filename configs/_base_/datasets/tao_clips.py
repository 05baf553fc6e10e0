"""Raw clips of the seven sources of TAO's training videos, no labels; tested on TAO."""

_base_ = "tao_ov.py"

train_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(
        type="TrackRandomAffine",
        max_rotate_degree=10,
        max_translate_ratio=0.1,
        scaling_ratio_range=(0.5, 1.5),
        max_shear_degree=2,
        border=(0, 0),
    ),
    dict(type="YOLOXHSVRandomAug"),
    dict(type="RandomFlip", prob=0.5),
    dict(
        type="RandomChoiceResize",
        scales=[(1333, side) for side in (640, 672, 704, 736, 768, 800)],
        resize_type="Resize",
        keep_ratio=True,
    ),
    dict(type="PackIdentityInputs", meta_keys={{_base_.clip_meta_keys}}),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=3,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="clip_collate"),
    dataset=dict(
        type="RawSnippetDataset",
        data_root="data/tao/frames/train",
        folders=["YFCC100M", "LaSOT", "HACS", "Charades", "BDD", "AVA", "ArgoVerse"],
        clip_length=8,
        chunk_length=64,
        window=16,
        pipeline=train_pipeline,
    ),
)
