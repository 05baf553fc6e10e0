"""The small detector, frozen, with an embedding head and a tracker."""

_base_ = ["mini_detector_part.py", "mini_association.py"]

model = {{_base_.association}}
