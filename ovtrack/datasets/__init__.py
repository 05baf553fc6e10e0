"""Association data: image pairs, and clips of raw video."""

from ovtrack.datasets.pairs import ImagePairDataset, MixedPairDataset
from ovtrack.datasets.raw_snippets import RawSnippetDataset, clip_collate
from ovtrack.datasets.transforms import (
    PackIdentityInputs,
    PairFilterAnnotations,
    PairMixUp,
    PairMosaic,
    TrackRandomAffine,
    TrackRandomCrop,
)
from vovtrack.datasets.views import pair_collate

__all__ = [
    "ImagePairDataset",
    "MixedPairDataset",
    "PackIdentityInputs",
    "PairFilterAnnotations",
    "PairMixUp",
    "PairMosaic",
    "RawSnippetDataset",
    "TrackRandomAffine",
    "TrackRandomCrop",
    "clip_collate",
    "pair_collate",
]
