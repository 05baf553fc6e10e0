"""Prompt learning on the regions of the mini world."""

_base_ = [
    "../_base_/schedules/prompts.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]

data_root = "work_dirs/quickstart/world/lvis/annotations/"
vocabulary = "{{ fileDirname }}/vocabulary.json"

model = dict(
    type="PromptLearner",
    clip=dict(
        type="ClipEncoder",
        model="{{ fileDirname }}/clip_mini.json",
        pretrained="{{ fileDirname }}/../../saved_models/mini/clip_mini.safetensors",
    ),
    vocabulary=vocabulary,
    # The mini CLIP knows the words of its own captions; from random vectors it learns half as well.
    num_context=4,
    init_words="a photo of a",
    # Regions are named with the lowest cross entropy at a scale of 35; OpenAI's is 100.
    temperature=0.029,
)
optim_wrapper = dict(optimizer=dict(lr=2e-2))
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="RegionEmbeddingDataset",
        ann_file=data_root + "train.json",
        banks=["work_dirs/detpro/bank_train", "work_dirs/detpro/bank_train_gt"],
        vocabulary=vocabulary,
    ),
)
val_dataloader = dict(
    batch_size=1024,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="RegionEmbeddingDataset",
        ann_file=data_root + "val.json",
        banks=["work_dirs/detpro/bank_val", "work_dirs/detpro/bank_val_gt"],
        visible="all",
        vocabulary=vocabulary,
    ),
)
val_evaluator = dict(type="RegionNamingMetric", vocabulary=vocabulary)
