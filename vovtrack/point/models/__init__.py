"""The point tracking model, its parts and its losses."""

from vovtrack.point.models.base import PointModel
from vovtrack.point.models.dino_adapter import Dinov2Adapter, Dinov3Adapter
from vovtrack.point.models.losses import PointLosses, RankedPointLosses
from vovtrack.point.models.residual_encoder import ResidualEncoder
from vovtrack.point.models.state import PointState, Prediction
from vovtrack.point.models.track_on import TrackOn
from vovtrack.point.models.track_on2 import TrackOn2
from vovtrack.point.models.vit_adapter import ViTAdapter

__all__ = [
    "Dinov2Adapter",
    "Dinov3Adapter",
    "PointLosses",
    "PointModel",
    "PointState",
    "Prediction",
    "RankedPointLosses",
    "ResidualEncoder",
    "TrackOn",
    "TrackOn2",
    "ViTAdapter",
]
