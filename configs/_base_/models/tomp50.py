"""ToMP with ResNet-50."""

model = dict(
    type="ToMP",
    backbone=dict(
        type="ResNet",
        depth=50,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        frozen_stages=2,
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=True,
        style="pytorch",
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
    ),
    in_channels=1024,
    predictor=dict(type="TargetTransformer"),
    losses=dict(type="DenseLosses", grid=dict(type="HingeLoss"), scores=100.0, boxes=1.0),
)
