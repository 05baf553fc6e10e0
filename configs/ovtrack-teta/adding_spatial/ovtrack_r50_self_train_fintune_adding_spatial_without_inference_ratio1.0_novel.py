"""Inference with the true mask of novel classes instead of the released one (off by one)."""

_base_ = "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0.py"

model = dict(detector=dict(roi_head=dict(fusion=dict(novel_mask="novel"))))
