"""Stage 1 in the mini world: base classes, CLIP distilled into the image branch.

Starts from the run of configs/mini/detector.py, as self-supervised SoCo weights start it at full
size; 'vovtrack features' makes the bank of its proposals.
"""

_base_ = [
    "../_base_/models/mini_detpro.py",
    "../_base_/datasets/mini_lvis_eval.py",
    "../_base_/schedules/mini.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]

train_pipeline = [
    dict(type="LoadCheckedImage"),
    dict(type="LoadRegionFeatures", bank="work_dirs/detpro/bank_train", max_regions=30),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomFlip", prob=0.5),
    dict(
        type="RandomResize", scale={{_base_.frame_scale}}, ratio_range=(0.8, 1.25), keep_ratio=True
    ),
    dict(type="PackRegionInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_cfg = dict(max_epochs=3)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", T_max=3, eta_min=1e-5, convert_to_iter_based=True),
]
load_from = "work_dirs/quickstart/detector/epoch_8.pth"
