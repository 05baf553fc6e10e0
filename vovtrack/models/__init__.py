"""Networks and parts of networks that more than one system uses."""

from vovtrack.models.clip import ClipTextEncoder
from vovtrack.models.cycle_loss import CycleConsistencyLoss
from vovtrack.models.preprocessor import ImagePreprocessor
from vovtrack.models.spatial_loss import SpatialConsistencyLoss
from vovtrack.models.state_attention import StateAttention
from vovtrack.models.text_bank import load_text_bank, save_text_bank
from vovtrack.models.tta import BoxTTAModel

__all__ = [
    "BoxTTAModel",
    "ClipTextEncoder",
    "CycleConsistencyLoss",
    "ImagePreprocessor",
    "SpatialConsistencyLoss",
    "StateAttention",
    "load_text_bank",
    "save_text_bank",
]
