"""Detection data with an open vocabulary."""

from detpro.datasets.lvis import OpenVocabLVISDataset
from detpro.datasets.regions import LoadRegionFeatures, PackRegionInputs

__all__ = ["LoadRegionFeatures", "OpenVocabLVISDataset", "PackRegionInputs"]
