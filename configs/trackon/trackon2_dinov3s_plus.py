"""Track-On2 with DINOv3 ViT-S+ as published; its checkpoint leaves the transformer out.

The transformer is read from the file that model.backbone.pretrained names. It sees the image
enlarged to as many patches as DINOv2 sees.
"""

_base_ = ["trackon2_dinov2s.py"]

model = dict(backbone=dict(type="Dinov3Adapter", zoom=1.143))
