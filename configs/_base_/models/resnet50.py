"""The backbone of the full-size models."""

bn = dict(type="BN", requires_grad=True)

model = dict(
    backbone=dict(
        type="ResNet",
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_cfg=bn,
        norm_eval=True,
        # Stride in the first 1x1 convolution, as the released weights were trained.
        style="caffe",
    )
)
