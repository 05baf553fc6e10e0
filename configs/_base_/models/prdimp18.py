"""PrDiMP with ResNet-18."""

_base_ = "./dimp18.py"

model = dict(classifier=dict(optimizer=dict(_delete_=True, type="SoftmaxOptimizer")))
