"""Prompt learning on LVIS v1: five IoU bins, 8 context vectors, background as no class.

'vovtrack prompts train configs/lvis/prompts.py --work-dir W' writes W/iou_neg5_ens.pth.
"""

_base_ = [
    "../_base_/schedules/prompts.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]

data_root = "data/lvis_v1/"

model = dict(
    type="PromptLearner",
    clip=dict(type="ClipEncoder", model="ViT-B-32-quickgelu", pretrained="openai"),
    vocabulary="lvis_v1",
    num_context=8,
    position="end",
    mode="soft",
    temperature=0.01,
)
train_dataloader = dict(
    batch_size=512,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="RegionEmbeddingDataset",
        ann_file=data_root + "annotations/lvis_v1_train.json",
        banks=[data_root + "features/train", data_root + "features/train_annotated"],
        vocabulary="lvis_v1",
        negative_range=(0.1, 0.5),
        negative_share=0.1,
    ),
)
val_dataloader = dict(
    batch_size=1024,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="RegionEmbeddingDataset",
        ann_file=data_root + "annotations/lvis_v1_val.json",
        banks=[data_root + "features/val", data_root + "features/val_annotated"],
        visible="all",
        vocabulary="lvis_v1",
    ),
)
val_evaluator = dict(type="RegionNamingMetric", vocabulary="lvis_v1")
