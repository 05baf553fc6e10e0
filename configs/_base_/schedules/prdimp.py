"""Adam of PrDiMP: that of DiMP with one rate for all but the backbone."""

_base_ = "dimp.py"

optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(_delete_=True, custom_keys={"backbone": dict(lr_mult=0.02)}),
)
