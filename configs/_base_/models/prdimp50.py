"""PrDiMP with ResNet-50."""

_base_ = "./dimp50.py"

model = dict(classifier=dict(optimizer=dict(_delete_=True, type="SoftmaxOptimizer")))
