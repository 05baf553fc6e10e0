"""The tracking model, its embedding head and its losses."""

from ovtrack.models.losses import PairMarginL2Loss, UnbiasedMultiPosCELoss, UnbiasedSupConLoss
from ovtrack.models.ovtrack import OVTrack
from ovtrack.models.self_supervised import SelfSupervisedOVTrack
from ovtrack.models.track_head import ClassExemplarHead, PairEmbedHead

__all__ = [
    "ClassExemplarHead",
    "OVTrack",
    "PairEmbedHead",
    "PairMarginL2Loss",
    "SelfSupervisedOVTrack",
    "UnbiasedMultiPosCELoss",
    "UnbiasedSupConLoss",
]
