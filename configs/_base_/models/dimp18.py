"""DiMP with ResNet-18."""

_base_ = "./dimp50.py"

model = dict(
    backbone=dict(depth=18, init_cfg=dict(checkpoint="torchvision://resnet18")),
    classifier=dict(in_channels=256, channels=256, blocks=1),
    iou_net=dict(in_channels=(128, 256)),
)
