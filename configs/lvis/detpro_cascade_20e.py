"""Stage 1 with a cascade (30.5 box AP in the published table), levels by size.

Images of novel objects are shown more often (``balance_by="all"``), as the released code does.
"""

_base_ = [
    "../_base_/models/detpro_cascade_r50.py",
    "../_base_/datasets/lvis_v1.py",
    "../_base_/schedules/sgd_lvis.py",
    "../_base_/systems/detpro.py",
    "../_base_/default_runtime.py",
]

load_from = "saved_models/pretrained_models/soco_r50_fpn.safetensors"
