"""Association data: image pairs."""

from ovtrack.datasets.pairs import ImagePairDataset, MixedPairDataset, pair_collate
from ovtrack.datasets.transforms import (
    PackIdentityInputs,
    PairFilterAnnotations,
    PairMixUp,
    PairMosaic,
    TrackRandomAffine,
)

__all__ = [
    "ImagePairDataset",
    "MixedPairDataset",
    "PackIdentityInputs",
    "PairFilterAnnotations",
    "PairMixUp",
    "PairMosaic",
    "TrackRandomAffine",
    "pair_collate",
]
