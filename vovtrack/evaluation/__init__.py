"""Metrics: pure functions from ground truth and predictions to numbers, and their tables."""

from vovtrack.evaluation.boxes import BoxTable
from vovtrack.evaluation.metrics import TaoTrackMetric
from vovtrack.evaluation.tao import evaluate_tao
from vovtrack.evaluation.teta import TetaResult, teta

__all__ = ["BoxTable", "TaoTrackMetric", "TetaResult", "evaluate_tao", "teta"]
