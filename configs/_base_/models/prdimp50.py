"""PrDiMP with ResNet-50."""

_base_ = ["./dimp50.py", "./prdimp_losses.py"]

softmax = dict(_delete_=True, type="SoftmaxOptimizer")
model = dict(classifier=dict(optimizer=softmax, zero_start=True), losses={{_base_.density_losses}})
