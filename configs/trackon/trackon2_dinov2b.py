"""Track-On2 with DINOv2 ViT-B, of which no checkpoint is published."""

_base_ = ["trackon2_dinov2s.py"]

model = dict(backbone=dict(embed_dims=768, num_heads=12, adapter_heads=12))
