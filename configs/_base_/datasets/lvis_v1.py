"""LVIS v1: base classes for training, repeated by the rarest class of an image; all to evaluate.

Layout and file names are those of data/README.md; 'vovtrack features' makes the bank.
"""

data_root = "data/lvis_v1/"
frame_scale = (1333, 800)

resize = dict(
    type="RandomChoiceResize",
    scales=[(1333, 640), (1333, 672), (1333, 704), (1333, 736), (1333, 768), (1333, 800)],
    keep_ratio=True,
)
train_pipeline = [
    dict(type="LoadCheckedImage"),
    # All proposals of an image, as the released training does.
    dict(type="LoadRegionFeatures", bank="data/lvis_v1/features/train", max_regions=None),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    resize,
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackRegionInputs"),
]
test_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="Resize", scale=frame_scale, keep_ratio=True),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(
    batch_size=3,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    batch_sampler=dict(type="AspectRatioBatchSampler"),
    dataset=dict(
        type="ClassBalancedDataset",
        oversample_thr=1e-3,
        dataset=dict(
            type="OpenVocabLVISDataset",
            visible="base",
            # The released training counts hidden classes too.
            balance_by="all",
            data_root=data_root,
            ann_file="annotations/lvis_v1_train.json",
            data_prefix=dict(img=""),
            pipeline=train_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="OpenVocabLVISDataset",
        visible="all",
        data_root=data_root,
        ann_file="annotations/lvis_v1_val.json",
        data_prefix=dict(img=""),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
val_evaluator = dict(
    type="LvisDetectionMetric",
    ann_file=data_root + "annotations/lvis_v1_val.json",
    vocabulary="lvis_v1",
    out_dir="results/lvis_v1",
    iou_types=("bbox", "segm"),
)
val_cfg = dict(type="ValLoop")
test_dataloader = val_dataloader
test_evaluator = val_evaluator
test_cfg = dict(type="TestLoop")
