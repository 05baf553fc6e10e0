"""Detection data with an open vocabulary."""

from detpro.datasets.lvis import OpenVocabLVISDataset

__all__ = ["OpenVocabLVISDataset"]
