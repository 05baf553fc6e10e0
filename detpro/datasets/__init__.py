"""Detection data with an open vocabulary."""

from detpro.datasets.lvis import OpenVocabLVISDataset
from detpro.datasets.region_features import LoadRegionFeatures, PackRegionInputs

__all__ = ["LoadRegionFeatures", "OpenVocabLVISDataset", "PackRegionInputs"]
