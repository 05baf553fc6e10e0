"""Metrics: pure functions from ground truth and predictions to numbers, and their tables.

The mmengine adapters stand in :mod:`vovtrack.evaluation.metrics`; nothing else here needs torch.
"""

from vovtrack.evaluation.boxes import BoxTable
from vovtrack.evaluation.compare import compare
from vovtrack.evaluation.evaluate import evaluate
from vovtrack.evaluation.statistics import Family, Statistics
from vovtrack.evaluation.teta import TETA, teta

__all__ = ["TETA", "BoxTable", "Family", "Statistics", "compare", "evaluate", "teta"]
