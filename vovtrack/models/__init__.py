"""Networks and parts of networks that more than one system uses."""

from vovtrack.models.clip.encoder import ClipEncoder
from vovtrack.models.clip.text_bank import load_text_bank, save_text_bank
from vovtrack.models.clip.trunk import ClipTrunk
from vovtrack.models.preprocessor import ImagePreprocessor
from vovtrack.models.tta import BoxTTAModel

__all__ = [
    "BoxTTAModel",
    "ClipEncoder",
    "ClipTrunk",
    "ImagePreprocessor",
    "load_text_bank",
    "save_text_bank",
]
