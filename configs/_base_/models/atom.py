"""ATOM with ResNet-18."""

model = dict(
    type="ATOM",
    backbone=dict(
        type="ResNet",
        depth=18,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(1, 2),
        frozen_stages=3,
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=True,
        style="pytorch",
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet18"),
    ),
    iou_net=dict(type="IoUNet", in_channels=(128, 256)),
    losses=dict(type="OverlapLoss"),
)
