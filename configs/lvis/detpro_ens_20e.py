"""Stage 1 as released: 4 GPUs x 3 images, from SoCo weights.

What the released code does and the paper does not say: regions for boxes and for classes are
pooled from other levels than their size asks for (``level_map``), and images of novel objects are
shown more often (``balance_by="all"``). detpro_ens_20e_corrected.py does neither.
"""

_base_ = [
    "../_base_/models/detpro_r50.py",
    "../_base_/datasets/lvis_v1.py",
    "../_base_/schedules/sgd_lvis.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]

model = dict(roi_head=dict(level_map=dict(reg=(0, 0, 1, 1), cls=(2, 2, 3, 3))))
load_from = "saved_models/pretrained_models/soco_r50_fpn.safetensors"
