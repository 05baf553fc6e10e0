"""A detector of LVIS tested on COCO's 80 classes, without training.

'vovtrack prompts encode CONTEXTS --classes coco --raw-names' makes the class embeddings.
"""

_base_ = [
    "../_base_/models/detpro_r50.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]

vocabulary = "coco"
data_root = "data/coco/"
ann_file = "annotations/instances_val2017.json"

model = dict(
    vocabulary=vocabulary,
    roi_head=dict(
        classifier=dict(text_bank="saved_models/pretrained_models/" + vocabulary + ".safetensors"),
        # Neither base nor novel is known of these classes: one exponent for all.
        fusion=dict(fixed_text_weight=0.6),
        score_rule=dict(detect=0.01),
    ),
    test_cfg=dict(rcnn=dict(max_per_img=100)),
)
test_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="Resize", scale=(1333, 800), keep_ratio=True),
    dict(type="PackDetInputs"),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="OpenVocabLVISDataset",
        visible="all",
        vocabulary=vocabulary,
        data_root=data_root,
        ann_file=ann_file,
        data_prefix=dict(img="val2017"),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_evaluator = dict(
    type="CocoDetectionMetric",
    ann_file=data_root + ann_file,
    vocabulary=vocabulary,
    out_dir="results/" + vocabulary,
)
test_cfg = dict(type="TestLoop")
