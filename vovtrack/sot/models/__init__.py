"""The networks that follow single objects, and their parts."""

from vovtrack.sot.models.classifier import TargetClassifier
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.models.filter_optimizers import (
    HingeOptimizer,
    LearnedMapOptimizer,
    SoftmaxOptimizer,
)
from vovtrack.sot.models.iou_net import IoUNet

__all__ = [
    "DiMP",
    "HingeOptimizer",
    "IoUNet",
    "LearnedMapOptimizer",
    "SoftmaxOptimizer",
    "TargetClassifier",
]
