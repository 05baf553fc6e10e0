"""PrDiMP with ResNet-50."""

_base_ = "./dimp50.py"

model = dict(
    classifier=dict(optimizer=dict(_delete_=True, type="SoftmaxOptimizer")),
    losses=dict(
        grid=dict(_delete_=True, type="DensityLoss"),
        box=dict(type="BoxDensityLoss"),
        final=0.25,
        first=0.25,
        between=1.0,
        boxes=0.0025,
    ),
)
