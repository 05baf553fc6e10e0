"""Association data: image pairs."""

from ovtrack.datasets.pairs import ImagePairDataset, PackIdentityInputs, pair_collate

__all__ = ["ImagePairDataset", "PackIdentityInputs", "pair_collate"]
