"""The open-vocabulary detector as a part of a tracker."""

_base_ = "openvocab_r50.py"

model = dict(_delete_=True, detector={{_base_.model}})
