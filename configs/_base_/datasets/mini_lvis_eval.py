"""LVIS-style evaluation of the mini world's validation stills, base and novel classes."""

_base_ = "mini_lvis.py"

test_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="Resize", scale={{_base_.frame_scale}}, keep_ratio=True),
    dict(type="PackDetInputs"),
]
test_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="OpenVocabLVISDataset",
        visible="all",
        data_root={{_base_.data_root}},
        ann_file="lvis/annotations/val.json",
        data_prefix=dict(img="lvis/images"),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_evaluator = dict(
    type="LvisDetectionMetric",
    ann_file="work_dirs/quickstart/world/lvis/annotations/val.json",
    vocabulary="{{ fileDirname }}/../../mini/vocabulary.json",
    out_dir="results/mini_lvis",
)
test_cfg = dict(type="TestLoop")
