"""Metrics: pure functions from ground truth and predictions to numbers, and their tables.

The mmengine adapters are in :mod:`vovtrack.evaluation.metrics`; nothing else needs torch.
"""

from vovtrack.evaluation.pipeline import evaluate
from vovtrack.evaluation.reports.comparison import compare
from vovtrack.evaluation.scores.boxes import BoxTable
from vovtrack.evaluation.scores.statistics import MetricFamily, Statistics

__all__ = ["BoxTable", "MetricFamily", "Statistics", "compare", "evaluate"]
