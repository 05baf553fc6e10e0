"""Detector, box head, text classifier and score fusion."""

import vovtrack.models  # noqa: F401  registers the preprocessor of images
from detpro.models.bbox_head import DualBranchBBoxHead
from detpro.models.box_coder import DeltaBoxCoder
from detpro.models.cascade import CascadeOpenVocabRoIHead
from detpro.models.classifier import TextBankClassifier
from detpro.models.detector import OpenVocabDetector
from detpro.models.distillation import RegionDistillation
from detpro.models.fusion import GeometricScoreFusion
from detpro.models.one_stage import OpenVocabRoIHead
from detpro.models.roi_extractor import PreciseRoIExtractor
from detpro.models.rpn_head import ProposalHead
from detpro.models.scores import ProbabilityScores, RepeatedSoftmaxScores
from detpro.models.state_attention import StateAttention
from detpro.models.state_scoring import StateGate, StateWeighting

__all__ = [
    "CascadeOpenVocabRoIHead",
    "DeltaBoxCoder",
    "DualBranchBBoxHead",
    "GeometricScoreFusion",
    "OpenVocabDetector",
    "OpenVocabRoIHead",
    "PreciseRoIExtractor",
    "ProbabilityScores",
    "ProposalHead",
    "RegionDistillation",
    "RepeatedSoftmaxScores",
    "StateAttention",
    "StateGate",
    "StateWeighting",
    "TextBankClassifier",
]
