"""Adapters: what a run of the test predicts, on its way to a benchmark."""

from vovtrack.evaluation.metrics.bdd import BddTrackMetric
from vovtrack.evaluation.metrics.lvis_detections import CocoDetectionMetric, LvisDetectionMetric
from vovtrack.evaluation.metrics.mot import MotTrackMetric
from vovtrack.evaluation.metrics.observations import StoreObservations
from vovtrack.evaluation.metrics.points import PointTrackMetric
from vovtrack.evaluation.metrics.proposals import ProposalRecallMetric
from vovtrack.evaluation.metrics.tao_tracks import TaoTrackMetric

__all__ = [
    "BddTrackMetric",
    "CocoDetectionMetric",
    "LvisDetectionMetric",
    "MotTrackMetric",
    "PointTrackMetric",
    "ProposalRecallMetric",
    "StoreObservations",
    "TaoTrackMetric",
]
