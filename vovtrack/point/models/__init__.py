"""The point tracking model, its parts and its losses."""

from vovtrack.point.models.losses import PointLosses
from vovtrack.point.models.residual_encoder import ResidualEncoder
from vovtrack.point.models.state import PointState, Prediction
from vovtrack.point.models.track_on import TrackOn
from vovtrack.point.models.vit_adapter import ViTAdapter

__all__ = [
    "PointLosses",
    "PointState",
    "Prediction",
    "ResidualEncoder",
    "TrackOn",
    "ViTAdapter",
]
