"""Networks and parts of networks that more than one system uses."""

from vovtrack.models.clip.encoder import ClipTextEncoder
from vovtrack.models.clip.text_bank import load_text_bank, save_text_bank
from vovtrack.models.preprocessor import ImagePreprocessor
from vovtrack.models.tta import BoxTTAModel

__all__ = [
    "BoxTTAModel",
    "ClipTextEncoder",
    "ImagePreprocessor",
    "load_text_bank",
    "save_text_bank",
]
