"""Stage 3 as the paper describes it: objects match by identity, and frozen means frozen."""

_base_ = "ovtrack_r50_reverse_without_inference.py"

model = dict(frozen_bn="eval", separate_views=False)
train_dataloader = dict(dataset=dict(mix=dict(identity="instance")))
