"""Stage 4 corrected, cycles walked by the objects alone that can come back."""

_base_ = "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0_corrected.py"

# The halves of a clip are at most 9 frames apart. Only tried in the mini world.
model = dict(follow_iou=0.3)
