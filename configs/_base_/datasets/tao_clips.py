"""Raw clips of the seven sources of TAO's training videos, no labels; tested on TAO."""

_base_ = ["tao_ov.py", "snippets.py", "large_frames.py"]

train_pipeline = [
    dict(type="LoadCheckedImage"),
    {{_base_.affine}},
    dict(type="YOLOXHSVRandomAug"),
    dict(type="RandomFlip", prob=0.5),
    {{_base_.resize}},
    dict(type="PackIdentityInputs", meta_keys={{_base_.snippet_meta_keys}}),
]
train_dataloader = dict(
    num_workers=3,
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
