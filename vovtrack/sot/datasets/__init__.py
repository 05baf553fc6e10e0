"""Frames of one target to train on: some to learn it in, others to find it in.

What passes a pipeline is a dict with ``rng``, a numpy generator that everything is drawn from;
``paths``, the images; and the parts ``train`` and ``test``, dicts of frames, see
:class:`FramesOfTarget`. :class:`PackTargets` makes tensors of them.

Search areas, augmentation and proposals are those of the released DiMP, PrDiMP and ToMP, drawn in
their order.
"""

from vovtrack.sot.datasets.candidate_clips import CandidateClips
from vovtrack.sot.datasets.clips import TargetClips
from vovtrack.sot.datasets.labels import LabelCentres, LabelSides
from vovtrack.sot.datasets.pipeline import (
    CutSearchAreas,
    GreyTargets,
    LoadTargetFrames,
    MirrorTargets,
    PackTargets,
)
from vovtrack.sot.datasets.proposals import DrawDensityBoxes, DrawOverlapBoxes

__all__ = [
    "CandidateClips",
    "CutSearchAreas",
    "DrawDensityBoxes",
    "DrawOverlapBoxes",
    "GreyTargets",
    "LabelCentres",
    "LabelSides",
    "LoadTargetFrames",
    "MirrorTargets",
    "PackTargets",
    "TargetClips",
]
