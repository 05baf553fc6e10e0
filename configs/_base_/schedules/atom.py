"""Adam of ATOM: that of DiMP with one rate for the network of boxes, which alone learns."""

_base_ = "dimp.py"

optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=None)
