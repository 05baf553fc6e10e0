"""Super DiMP: DiMP on larger search areas."""

_base_ = "./dimp50.py"

model = dict(
    backbone=dict(frozen_stages=2),
    # A quarter of the target's side in 22 cells, of which a search area has 6 targets.
    classifier=dict(optimizer=dict(sigma=22 / 24)),
    losses=dict(box=dict(type="BoxDensityLoss"), boxes=0.01),
)
