"""Detector, box head, text classifier and score fusion."""

from detpro.models.bbox_head import DualBranchBBoxHead
from detpro.models.cascade import CascadeOpenVocabRoIHead
from detpro.models.classifier import TextBankClassifier
from detpro.models.detector import OpenVocabDetector
from detpro.models.distillation import RegionDistillation
from detpro.models.fusion import GeometricScoreFusion
from detpro.models.roi_extractor import PreciseRoIExtractor
from detpro.models.roi_head import OpenVocabRoIHead

__all__ = [
    "CascadeOpenVocabRoIHead",
    "DualBranchBBoxHead",
    "GeometricScoreFusion",
    "OpenVocabDetector",
    "OpenVocabRoIHead",
    "PreciseRoIExtractor",
    "RegionDistillation",
    "TextBankClassifier",
]
