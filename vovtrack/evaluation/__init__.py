"""Metrics: pure functions from ground truth and predictions to numbers, and their tables.

The mmengine adapters stand in :mod:`vovtrack.evaluation.metrics`; nothing else here needs torch.
"""

from vovtrack.evaluation.boxes import BoxTable
from vovtrack.evaluation.comparison import compare
from vovtrack.evaluation.pipeline import evaluate
from vovtrack.evaluation.statistics import Family, Statistics

__all__ = ["BoxTable", "Family", "Statistics", "compare", "evaluate"]
