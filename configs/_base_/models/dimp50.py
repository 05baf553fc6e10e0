"""DiMP with ResNet-50."""

model = dict(
    type="DiMP",
    backbone=dict(
        type="ResNet",
        depth=50,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(1, 2),
        frozen_stages=-1,
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=False,
        style="pytorch",
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
    ),
    classifier=dict(
        type="TargetClassifier",
        in_channels=1024,
        channels=512,
        optimizer=dict(type="LearnedMapOptimizer"),
    ),
    iou_net=dict(type="IoUNet", in_channels=(512, 1024)),
    losses=dict(type="FilterLosses", grid=dict(type="HingeLoss"), box=dict(type="OverlapLoss")),
)
