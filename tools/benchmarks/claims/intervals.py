"""How sure is a difference that was measured with few seeds in few worlds?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats


class Interval(NamedTuple):
    """A mean difference and the interval that covers it; NaN where nothing was repeated."""

    mean: float
    low: float
    high: float


def interval(differences: np.ndarray, confidence: float = 0.95) -> Interval:
    """Confidence interval of the mean of paired differences, seeds and worlds both being samples.

    A cell is mean + effect of its seed + effect of its world + rest. The three worlds of one seed
    share its weights, the three seeds of one world its videos, so nine cells are not nine samples.
    The variance of the mean is taken as that of the mean over seeds plus that of the mean over
    worlds (Cameron, Gelbach, Miller: "Robust Inference with Multiway Clustering", JBES 2011); the
    rest is in both, and is not subtracted, which would make differences look surer by an estimate
    that four degrees of freedom do not carry. The degrees of freedom of the sum are Satterthwaite's
    ("An Approximate Distribution of Estimates of Variance Components", Biometrics 1946): between 2
    and 4 with three by three. With a single world it is the paired t interval over seeds.

    Args:
        differences: (S, W) by seed and world, paired: the same seed and world in both rows.
        confidence: Probability that the interval covers the true mean.
    """
    mean = float(differences.mean())
    parts = [
        (differences.mean(axis=other).var(ddof=1) / count, count - 1)
        for count, other in zip(differences.shape, (1, 0), strict=True)
        if count > 1
    ]
    if not parts or np.isnan(mean):
        return Interval(mean, float("nan"), float("nan"))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Interval(mean, mean, mean)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    half = float(stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(variance))
    return Interval(mean, mean - half, mean + half)
