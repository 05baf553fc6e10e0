"""Association data: image pairs, and clips of raw video."""

from ovtrack.datasets.mixing import MixSteps, PairMixUp, PairMosaic
from ovtrack.datasets.pairs import ImagePairDataset, MixedPairDataset
from ovtrack.datasets.raw_snippets import RawSnippetDataset, clip_collate
from ovtrack.datasets.transforms import (
    PackIdentityInputs,
    PairFilterAnnotations,
    TrackClipBoxes,
    TrackRandomAffine,
    TrackRandomCrop,
)
from vovtrack.datasets.views import pair_collate

__all__ = [
    "ImagePairDataset",
    "MixSteps",
    "MixedPairDataset",
    "PackIdentityInputs",
    "PairFilterAnnotations",
    "PairMixUp",
    "PairMosaic",
    "RawSnippetDataset",
    "TrackClipBoxes",
    "TrackRandomAffine",
    "TrackRandomCrop",
    "clip_collate",
    "pair_collate",
]
