"""The tracking model, its embedding head and its losses."""

from ovtrack.models.cycle_loss import CycleConsistencyLoss
from ovtrack.models.detectors import (
    ClosedSetRCNN,
    ClosedSetYOLOX,
    LevelRoIExtractor,
    OwnBestIoUAssigner,
)
from ovtrack.models.embedding_tracker import EmbeddingTracker
from ovtrack.models.losses import (
    MultiPosCELoss,
    PairMarginL2Loss,
    UnbiasedMultiPosCELoss,
    UnbiasedSupConLoss,
)
from ovtrack.models.ovtrack import OVTrack
from ovtrack.models.qdtrack import QDTrack
from ovtrack.models.self_supervised import SelfSupervisedOVTrack
from ovtrack.models.spatial_loss import SpatialConsistencyLoss
from ovtrack.models.track_head import ClassExemplarHead, PairEmbedHead
from ovtrack.models.tracklets import TrackletContrast

__all__ = [
    "ClassExemplarHead",
    "ClosedSetRCNN",
    "ClosedSetYOLOX",
    "CycleConsistencyLoss",
    "EmbeddingTracker",
    "LevelRoIExtractor",
    "MultiPosCELoss",
    "OVTrack",
    "OwnBestIoUAssigner",
    "PairEmbedHead",
    "PairMarginL2Loss",
    "QDTrack",
    "SelfSupervisedOVTrack",
    "SpatialConsistencyLoss",
    "TrackletContrast",
    "UnbiasedMultiPosCELoss",
    "UnbiasedSupConLoss",
]
