"""PrDiMP with ResNet-50, to track with: its training is not there."""

_base_ = "./dimp50.py"

model = dict(classifier=dict(optimizer=dict(_delete_=True, type="SoftmaxOptimizer")), losses=None)
