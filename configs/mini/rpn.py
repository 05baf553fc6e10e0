"""Class-agnostic proposals of the mini world: backbone, neck and RPN on boxes of base classes.

Its run starts the detectors of stage 1, as self-supervised SoCo weights start them at full size.
"""

_base_ = "detector.py"

model = dict(
    _delete_=True,
    type="RPN",
    data_preprocessor={{_base_.model.data_preprocessor}},
    backbone={{_base_.model.backbone}},
    neck={{_base_.model.neck}},
    rpn_head={{_base_.model.rpn_head}},
    train_cfg=dict(rpn={{_base_.model.train_cfg.rpn}}),
    test_cfg={{_base_.model.test_cfg}},
)

train_cfg = dict(max_epochs=6)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", T_max=6, eta_min=1e-5, convert_to_iter_based=True),
]
