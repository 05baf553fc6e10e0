"""The small detector as a part of a tracker."""

_base_ = "mini_detector.py"

model = dict(_delete_=True, detector={{_base_.model}})
