"""Losses of PrDiMP, of either depth: scores and overlaps as densities."""

density_losses = dict(
    type="FilterLosses",
    grid=dict(type="DensityLoss"),
    box=dict(type="BoxDensityLoss"),
    final=0.25,
    first=0.25,
    between=1.0,
    boxes=0.0025,
)
