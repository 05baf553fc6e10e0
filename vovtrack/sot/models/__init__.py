"""The networks that follow single objects, and their parts."""

from vovtrack.sot.models.atom import ATOM
from vovtrack.sot.models.candidate_matcher import CandidateMatcher
from vovtrack.sot.models.classifier import TargetClassifier
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.models.filter_optimizers import (
    HingeOptimizer,
    LearnedMapOptimizer,
    SoftmaxOptimizer,
)
from vovtrack.sot.models.iou_net import IoUNet
from vovtrack.sot.models.keep_track import CandidateNet, KeepTrack
from vovtrack.sot.models.losses import (
    BoxDensityLoss,
    BoxLikelihoodLoss,
    DenseLosses,
    DensityLoss,
    FilterLosses,
    HingeLoss,
    OverlapLoss,
)
from vovtrack.sot.models.target_transformer import TargetTransformer
from vovtrack.sot.models.tomp import ToMP

__all__ = [
    "ATOM",
    "BoxDensityLoss",
    "BoxLikelihoodLoss",
    "CandidateMatcher",
    "CandidateNet",
    "DenseLosses",
    "DensityLoss",
    "DiMP",
    "FilterLosses",
    "HingeLoss",
    "HingeOptimizer",
    "IoUNet",
    "KeepTrack",
    "LearnedMapOptimizer",
    "OverlapLoss",
    "SoftmaxOptimizer",
    "TargetClassifier",
    "TargetTransformer",
    "ToMP",
]
