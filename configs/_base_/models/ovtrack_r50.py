"""OVTrack on the ResNet-50 detector: 74 M parameters, 448 tensors."""

_base_ = ["openvocab_r50_part.py", "association.py"]

model = {{_base_.association}}
