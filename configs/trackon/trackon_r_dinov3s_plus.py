"""Track-On-R tested on DAVIS: Track-On2 with DINOv3 ViT-S+, tuned on real videos.

Their labels were chosen by a verifier among those of six trackers; neither is here, so that this
config tests and does not train. As for Track-On2, model.backbone.pretrained names DINOv3's file.
"""

_base_ = [
    "../_base_/systems/point.py",
    "../_base_/models/trackon2.py",
    "../_base_/datasets/tapvid_davis.py",
    "../_base_/default_runtime.py",
]

model = dict(backbone=dict(type="Dinov3Adapter", zoom=1.143), test_cfg=dict(memory=24))
online = dict(type="PointTracker")
