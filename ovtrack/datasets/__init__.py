"""Association data: image pairs, and clips of raw video."""

from ovtrack.datasets.mixing import MixSteps, PairMixUp, PairMosaic
from ovtrack.datasets.pairs import ImagePairDataset, MixedPairDataset
from ovtrack.datasets.raw_snippets import RawSnippetDataset
from ovtrack.datasets.transforms import (
    PackIdentityInputs,
    PairFilterAnnotations,
    TrackClipBoxes,
    TrackRandomAffine,
    TrackRandomCrop,
)
from vovtrack.datasets.views import views_collate

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
    "views_collate",
]
